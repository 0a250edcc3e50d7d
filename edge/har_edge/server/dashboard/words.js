// Numbers and names as people read them.

/** `using_laptop` → `using laptop`. */
export const actionName = (action) => (action || "").replaceAll("_", " ");

/** `1 frame`, `2 frames`. */
export const counted = (number, one) => `${number} ${one}${number === 1 ? "" : "s"}`;

/** 0.798 → `80 %`; what rounds to 100 without being it stays below. */
export function percent(fraction, digits = 0) {
  const bound = 100 - 10 ** -digits;
  const value = fraction < 1 ? Math.min(fraction * 100, bound) : 100;
  return `${value.toFixed(digits)} %`;
}

/** 75 → `1 min 15 s`; 3700 → `1 h 2 min`. */
export function duration(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}

/** Position in a clip: 83.27 → `1:23.3`. */
export function position(seconds) {
  const tenths = Math.round(Math.max(0, seconds) * 10);
  const rest = tenths % 600;
  return `${Math.floor(tenths / 600)}:${String(Math.floor(rest / 10)).padStart(2, "0")}.${rest % 10}`;
}

/** Time of day of a Date, a Unix time in seconds or an ISO string. */
export function clock(time) {
  const date = typeof time === "number" ? new Date(time * 1000) : new Date(time);
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

export function milliseconds(ms) {
  if (ms == null) return "–";
  return ms < 1000 ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Milliseconds of all stages (decode, preprocess, encode, classify) together; null without any. */
export const totalMs = (stages) => (stages ? Object.values(stages).reduce((sum, ms) => sum + ms, 0) : null);

/** 2753786 → `2.8 MB`. */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${(count / 1e3).toFixed(0)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}
