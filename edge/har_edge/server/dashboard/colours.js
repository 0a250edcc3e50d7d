// One colour an action, the same on every visit and in every place of the page.
//
// style.css holds the 16 colours (--hue-0 ... --hue-15). An action's slot is a hash of its name; of
// two actions of one model that meet in a slot, the later moves on to the next free one.

export const SLOTS = 16;
const slots = new Map();

/**
 * Give the actions of models their slots, in the order of each.
 *
 * Where there are more actions than slots, those of two models share one, those of one model do not.
 */
export function assignColours(...models) {
  slots.clear();
  for (const actions of models) {
    for (const action of actions) {
      if (slots.has(action)) continue;
      const wanted = hash(action) % SLOTS;
      const beside = actions.map((name) => slots.get(name));
      slots.set(action, firstFree(wanted, [...slots.values()]) ?? firstFree(wanted, beside) ?? wanted);
    }
  }
}

/** Slot of an action, as text for `data-hue`; `unknown` has none and is grey. */
export function slotOf(action) {
  if (!action || action === "unknown") return "none";
  const wanted = hash(action) % SLOTS;
  if (!slots.has(action)) slots.set(action, firstFree(wanted, [...slots.values()]) ?? wanted);
  return String(slots.get(action));
}

function firstFree(wanted, taken) {
  for (let step = 0; step < SLOTS; step += 1) {
    const slot = (wanted + step) % SLOTS;
    if (!taken.includes(slot)) return slot;
  }
  return null;
}

// FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/
function hash(text) {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  }
  return value;
}
