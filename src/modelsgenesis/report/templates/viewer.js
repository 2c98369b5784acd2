"use strict";
(() => {
  const viewer = document.getElementById("viewer");
  if (!viewer) return;
  const by = (name) => document.getElementById(name);
  const note = by("viewer-note"), choose = by("choose"), canvas = by("canvas");
  const COLOURS = [[255, 159, 67], [56, 214, 232], [255, 107, 181], [123, 237, 106], [167, 139, 250], [255, 225, 77], [255, 107, 94], [90, 162, 255]];
  const OUTLINED = 1002; // NiiVue draws borders of volumes with this intent: the prediction's, as in the pictures
  const chosen = () => choose.selectedOptions[0].dataset;
  let nv = null, busy = Promise.resolve();

  const bytes = (id) => Uint8Array.from(atob(by(id).textContent), (letter) => letter.charCodeAt(0));
  const unpacked = async (id) => new Response(new Blob([bytes(id)]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();

  // NiiVue lies compressed in the page; only this script, by its hash, may run.
  const library = async () => {
    if (globalThis.niivue) return globalThis.niivue;
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(await unpacked("niivue-script"));
    document.head.append(script);
    script.remove();
    if (!globalThis.niivue) throw new Error("the viewer did not start");
    return globalThis.niivue;
  };

  const labels = (names) => {
    const lut = { R: [0], G: [0], B: [0], A: [0], I: [0], labels: ["background"] };
    Object.entries(names).forEach(([value, name]) => {
      const [r, g, b] = COLOURS[(Number(value) - 1) % COLOURS.length];
      lut.R.push(r); lut.G.push(g); lut.B.push(b); lut.A.push(255); lut.I.push(Number(value)); lut.labels.push(name);
    });
    return lut;
  };

  const start = async () => {
    const probe = document.createElement("canvas").getContext("webgl2");
    if (!probe) throw new Error("this browser has no WebGL 2; the slices below show the same");
    probe.getExtension("WEBGL_lose_context")?.loseContext();
    const { Niivue } = await library();
    viewer.querySelectorAll(".tools, .stage").forEach((part) => { part.hidden = false; });
    by("open").hidden = true;
    nv = new Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: [1, 1, 1, 0.6], crosshairWidth: 0.4, crosshairGap: 8, show3Dcrosshair: false, isRadiologicalConvention: true,
      dragAndDropEnabled: false, loadingText: "", multiplanarForceRender: true, isColorbar: false, textHeight: 0.04, logLevel: "error",
    });
    await nv.attachToCanvas(canvas);
    nv.onLocationChange = (place) => { by("place").textContent = told(place); };
  };

  const told = (place) => {
    const [image, ...sides] = place.values;
    const [low, high] = chosen().window.split(" ").map(Number);
    const value = low + (image.value * (high - low)) / 255;
    const names = JSON.parse(chosen().legend);
    const side = (index, name) => (sides[index] ? `${name}: ${names[Math.round(sides[index].value)] ?? "none"}` : "");
    return [`intensity ${value.toFixed(high - low > 10 ? 0 : 2)}`, side(0, "truth"), side(1, "prediction")].filter(Boolean).join(" · ");
  };

  const load = async () => {
    note.textContent = "Unpacking …";
    if (!nv) await start();
    const { NVImage } = await library(), id = choose.value, names = JSON.parse(chosen().legend);
    [...nv.volumes].reverse().forEach((volume) => nv.removeVolume(volume));
    nv.addVolume(await NVImage.new(await unpacked(`${id}-image`), `${id}.nii`, "gray", 1, null, 0, 255));
    for (const side of ["truth", "prediction"]) {
      if (!by(`${id}-${side}`)) continue;
      const map = await NVImage.new(await unpacked(`${id}-${side}`), `${side}.nii`, "gray", 0.5);
      map.setColormapLabel(labels(names));
      if (side === "prediction") map.hdr.intent_code = OUTLINED;
      nv.addVolume(map);
    }
    viewer.querySelectorAll(".side").forEach((part) => { part.hidden = nv.volumes.length < 2; });
    key(names);
    shade();
    arrange();
    toCentre();
    note.textContent = "Drag to move the crosshair, scroll for slices, right-drag for contrast. Right of the patient is left, as radiologists look.";
    viewer.dataset.shown = id;
  };

  // The crosshair starts where the pictures below are cut.
  const toCentre = () => {
    nv.scene.crosshairPos = nv.mm2frac(chosen().centre.split(" ").map(Number));
    nv.createOnLocationChange();
    nv.drawScene();
  };

  // All planes in a row where there is room, else two by two; a single one gets the whole height.
  const arrange = () => {
    const single = by("view").value !== "3", narrow = viewer.clientWidth < 640;
    by("stage").className = `stage ${single ? "single" : narrow ? "square" : "row"}`;
    nv.setMultiplanarLayout(narrow ? 2 : 3);
    nv.setSliceType(Number(by("view").value));
  };

  // Truth is a fill; of the prediction the borders are shown, its fill stays invisible.
  const shade = () => {
    const opacity = Number(by("opacity").value);
    if (nv.volumes[1]) nv.setOpacity(1, by("truth").checked ? opacity : 0);
    if (nv.volumes[2]) nv.setOpacity(2, 0.004);
    nv.opts.atlasOutline = by("prediction").checked ? Math.min(1, 2 * opacity) : 0;
    nv.updateGLVolume();
  };

  const key = (names) => {
    const part = (className, text, colour) => {
      const item = document.createElement("li"), mark = document.createElement("span");
      mark.className = className;
      if (colour) mark.style.background = `rgb(${colour.join(" ")})`;
      item.append(mark, text);
      return item;
    };
    const structures = Object.entries(names).map(([value, name]) => part("swatch", name, COLOURS[(Number(value) - 1) % COLOURS.length]));
    const sides = structures.length ? [part("key fill", "truth"), part("key line", "prediction")] : [];
    by("key").replaceChildren(...structures, ...sides);
  };

  // One after another, so that quick changes cannot mix two volumes.
  const show = () => {
    busy = busy.then(load).catch((error) => {
      note.textContent = `The viewer cannot be shown: ${error.message}.`;
      viewer.dataset.failed = error.message;
    });
    return busy;
  };
  by("open").addEventListener("click", show);
  choose.addEventListener("change", () => { if (nv) show(); });
  ["truth", "prediction", "opacity"].forEach((name) => by(name).addEventListener("input", () => nv && shade()));
  by("view").addEventListener("change", () => nv && arrange());
  addEventListener("resize", () => nv && arrange());
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.show");
    if (!button) return;
    choose.value = button.dataset.volume;
    viewer.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    show();
  });
})();
