"use strict";
(() => {
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("genesis-report-theme", root.dataset.theme); } catch { /* not kept for files here */ }
  });

  // Tables as files.
  const tables = JSON.parse(document.getElementById("tables").textContent);
  const types = { csv: "text/csv", md: "text/markdown", tex: "application/x-tex" };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.format) {
      const { table } = button.parentElement.dataset, { format } = button.dataset;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([tables[table][format]], { type: types[format] }));
      link.download = `${table}.${format}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    }
    if (button.dataset.copy) copy(button);
  });
  const copy = async (button) => {
    try { await navigator.clipboard.writeText(button.dataset.copy); }
    catch { // files have no clipboard in some browsers
      const area = Object.assign(document.createElement("textarea"), { value: button.dataset.copy });
      document.body.append(area); area.select(); document.execCommand("copy"); area.remove();
    }
    const before = button.textContent;
    button.textContent = "copied";
    setTimeout(() => { button.textContent = before; }, 1200);
  };

  // A link into a folded part opens it.
  const unfold = () => {
    const place = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let part = place; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    if (place) place.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();
  addEventListener("beforeprint", () => document.querySelectorAll("details.block").forEach((part) => { part.open = true; }));
})();
