// One colour an action, the same on every visit and in every place of the page.
//
// style.css holds the 16 colours (--hue-0 ... --hue-15). An action's slot is a hash of its name; of
// two actions of one model that meet in a slot, the later moves on to the next free one.

export const SLOTS = 16;
const slots = new Map();

/** Give the actions of a model their slots, in the model's order. */
export function assignColours(actions) {
  slots.clear();
  for (const action of actions) slotOf(action);
}

/** Slot of an action, as text for `data-hue`; `unknown` has none and is grey. */
export function slotOf(action) {
  if (!action || action === "unknown") return "none";
  if (!slots.has(action)) slots.set(action, freeSlot(hash(action) % SLOTS));
  return String(slots.get(action));
}

function freeSlot(wanted) {
  const taken = new Set(slots.values());
  for (let step = 0; step < SLOTS; step += 1) {
    const slot = (wanted + step) % SLOTS;
    if (!taken.has(slot)) return slot;
  }
  return wanted;
}

// FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/
function hash(text) {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  }
  return value;
}
