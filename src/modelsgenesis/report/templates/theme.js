"use strict";
// Before anything is drawn: light or dark as chosen last, else as the system has it; storage may be forbidden for files.
document.documentElement.classList.add("scripted");
try {
  const chosen = localStorage.getItem("genesis-report-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* as the system has it */ }
