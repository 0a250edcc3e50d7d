// Runs before the first paint, so that nobody who chose dark sees a white flash.
// Without a choice there is no attribute, and the style sheet follows the system.
(() => {
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage may be forbidden; the system's choice holds.
  }
})();
