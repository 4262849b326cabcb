// Before anything is painted: light or dark as was chosen here, else as the system has it.
// A script of its own, and no module, so that the page does not flash.
(() => {
  try {
    const theme = localStorage.getItem("jackfield.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // a browser that keeps nothing: the system's
  }
})();
