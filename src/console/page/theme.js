// Before anything is drawn: light or dark as somebody chose here, or else as their system has it, also when that changes.
"use strict";
{
  const system = matchMedia("(prefers-color-scheme: dark)");
  const choose = () => {
    let chosen = null;
    try {
      chosen = localStorage.getItem("confab-theme");
    } catch {
      // A browser that keeps nothing has the system's.
    }
    const theme = chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
    document.documentElement.dataset.theme = theme;
  };
  choose();
  system.addEventListener("change", choose);
}
