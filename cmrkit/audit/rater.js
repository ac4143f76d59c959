// The browser's half of the rater. Python owns the order and the file: a new `state` arrives only
// when the answer is on disk, and until it does, this side is locked.

const DEAF_MS = 300; // a key meant for the frame before does not answer this one
const CYCLE_MS = 1000; // one heartbeat of the cine

function element(parent, tag, className, text = "") {
  const made = parent.ownerDocument.createElement(tag);
  made.className = className;
  made.textContent = text;
  parent.append(made);
  return made;
}

function button(parent, text, key, act) {
  const made = element(parent, "button", "cmr-button", text + " ");
  made.type = "button";
  element(made, "kbd", "", key);
  made.addEventListener("click", act);
  return made;
}

function paint(canvas, bytes, side, phase = 0) {
  canvas.width = canvas.height = side;
  const pixels = new ImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    const grey = bytes.getUint8(phase * side * side + i);
    pixels.data.set([grey, grey, grey, 255], 4 * i);
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function render({ model, el }) {
  const root = element(el, "div", "cmr-rater");
  root.tabIndex = 0;
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own keys stay out
  const head = element(root, "div", "cmr-head");
  const bar = element(element(root, "div", "cmr-bar"), "div", "");
  element(root, "div", "cmr-instruction", model.get("state").instruction);
  const note = element(root, "div", "cmr-note");
  const body = element(root, "div", "cmr-body");
  const stage = element(body, "div", "cmr-stage");
  const still = element(stage, "canvas", "cmr-frame");
  const cover = element(stage, "div", "cmr-cover");
  const side = element(body, "div", "cmr-side");

  let answer, shownAt, pausedAt, judgedAt, locked = true, cineTimer;
  const state = () => model.get("state");
  const now = () => performance.now();

  // --- questions, each a row of buttons of which one is chosen ---
  const rows = [];
  function question(title, name, choices) {
    const box = element(side, "div", "cmr-question");
    element(box, "div", "cmr-title", title);
    const buttons = choices.map(([text, key, value]) => {
      const made = button(box, text, key, () => choose(name, value));
      made.dataset.value = `${name}:${value}`;
      return { made, key: key.toLowerCase(), value };
    });
    rows.push({ box, name, buttons });
  }
  const reasons = state().reasons;
  question("Is the anatomy plausible?", "plausible", [["plausible", "P", true], ["implausible", "I", false]]);
  question("What is wrong?", "reason", reasons.map((reason, i) => [reason, String(i + 4), reason]));
  if (state().ask_real)
    question("A real image or a synthetic one?", "real", [["real", "R", true], ["synthetic", "S", false]]);
  question("How sure are you?", "confidence", [["guess", "1", 1], ["fairly", "2", 2], ["sure", "3", 3]]);

  const actions = element(side, "div", "cmr-actions");
  const save = button(actions, "save, next frame", "Enter", send);
  button(actions, "undo", "Z", undo);
  const rest = button(actions, "pause", "Space", pause);
  const looks = element(side, "div", "cmr-question");
  element(looks, "div", "cmr-title", "Look");
  const sliders = ["contrast", "brightness"].map((name) => {
    const label = element(looks, "label", "cmr-slider", name + " ");
    const slider = element(label, "input", "");
    Object.assign(slider, { type: "range", min: 0.4, max: 2.6, step: 0.1, value: 1 });
    slider.addEventListener("input", relook);
    return { name, slider };
  });
  button(looks, "reset", "0", () => { sliders.forEach(({ slider }) => (slider.value = 1)); relook(); });
  const cineBox = element(looks, "div", "cmr-cine");
  element(cineBox, "div", "cmr-title", "Same slice through the heartbeat");
  const cine = element(cineBox, "canvas", "cmr-frame");

  function relook() {
    const filter = sliders.map(({ name, slider }) => `${name}(${slider.value})`).join(" ");
    still.style.filter = cine.style.filter = filter;
  }

  const deaf = () => locked || pausedAt !== null || now() - shownAt < DEAF_MS;

  function choose(name, value) {
    if (deaf()) return;
    answer[name] = value;
    if (name === "plausible") judgedAt = now();
    if (answer.plausible) answer.reason = "";
    refresh();
  }

  function complete() {
    return rows.every(({ name }) => name === "reason" || answer[name] !== null);
  }

  function refresh() {
    for (const { box, name, buttons } of rows) {
      if (name === "reason") box.hidden = answer.plausible !== false;
      for (const { made, value } of buttons)
        made.setAttribute("aria-pressed", answer[name] === value);
    }
    save.disabled = !complete();
  }

  function tell(message) {
    locked = true;
    const { item, shown } = state();
    model.send({ item, shown, ...message });
  }

  function send() {
    if (deaf() || !complete()) return;
    tell({ kind: "answer", answer: { ...answer, reaction_s: (judgedAt - shownAt) / 1000 } });
  }

  function undo() {
    if (!locked && pausedAt === null && state().item > 1) tell({ kind: "undo" });
  }

  function pause() {
    if (state().done) return;
    if (pausedAt === null) {
      pausedAt = now();
    } else { // the clock stood still meanwhile
      const slept = now() - pausedAt;
      shownAt += slept;
      judgedAt += slept;
      pausedAt = null;
    }
    cover.textContent = "Paused. Space goes on.";
    cover.hidden = pausedAt === null;
    rest.firstChild.textContent = pausedAt === null ? "pause " : "go on ";
  }

  function show() {
    const { item, total, side: pixels, phases, done, earlier, observer, file } = state();
    head.textContent = done
      ? `${observer}: all ${total} frames read`
      : `${observer}: frame ${item} of ${total}`;
    bar.style.width = `${(100 * (item - 1)) / total}%`;
    note.textContent = state().note;
    answer = { plausible: null, real: null, reason: "", confidence: null };
    for (const name of Object.keys(answer)) if (name in earlier) answer[name] = earlier[name];
    pausedAt = null;
    cover.hidden = !done;
    if (done) cover.textContent = `Thank you. Your answers are in ${file}; Z takes the last one back.`;
    else paint(still, model.get("frame"), pixels);
    still.hidden = done;
    side.classList.toggle("cmr-done", done);
    clearInterval(cineTimer);
    cineBox.hidden = phases === 0;
    if (phases) {
      let phase = 0;
      const step = () => paint(cine, model.get("cine"), pixels, phase++ % phases);
      step();
      cineTimer = setInterval(step, CYCLE_MS / phases);
    }
    refresh();
    requestAnimationFrame(() => requestAnimationFrame(() => { // the frame is on the screen
      shownAt = now();
      judgedAt = shownAt + 1000 * (earlier.reaction_s ?? 0);
      locked = false;
      root.dataset.item = item;
    }));
  }

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    const acts = { enter: send, z: undo, " ": pause };
    const hit = rows.filter(({ box }) => !box.hidden).flatMap(({ name, buttons }) =>
      buttons.filter((b) => b.key === key).map((b) => () => choose(name, b.value)));
    const act = acts[key] ?? hit[0] ?? (key === "0" ? () => looks.querySelector("button").click() : null);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) act(); // a key held down counts once
  });
  root.addEventListener("click", (event) => { if (event.target.tagName !== "INPUT") root.focus(); });
  const leave = () => { if (document.hidden && pausedAt === null && !locked) pause(); };
  document.addEventListener("visibilitychange", leave);
  model.on("change:state", show);
  show();
  relook();
  root.focus();
  return () => {
    clearInterval(cineTimer);
    document.removeEventListener("visibilitychange", leave);
    model.off("change:state", show);
  };
}

export default { render };
