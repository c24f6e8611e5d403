// The view of a recall: pictures and knobs. Who shows it passes `answer(question, say)`, a promise of
// what amsim.explore.Explorer.answer returns; this file computes nothing of its own.

const KNOBS = [
  // name, label, logarithmic, lowest, highest, what it is
  ["beta", "β", true, null, null, "inverse temperature of the memories"],
  ["tau_hidden", "τ hidden", true, 0.01, 10, "time constant of the memories, with 1 for the features"],
  ["delay", "delay", false, 0, 3, "travel time of a message, in units of τ"],
  ["jitter", "jitter", false, 0, 3, "how much longer a message takes at most, in units of τ"],
  ["drop", "loss", false, 0, 0.9, "share of the messages that are lost"],
  ["quantum", "quantum", true, 0.005, 0.5, "how far an output moves before it is sent; of features, in halves of the patterns' range"],
];
const STEPS = 200;
export const COMPILING = "compiling for this machine; the first time takes about half a minute ...";

function element(parent, kind, properties = {}, text = "") {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
  made.textContent = text;
  parent.append(made);
  return made;
}

function panel(parent, name, title) {
  const made = element(parent, "section", { class: name, "aria-label": title });
  element(made, "h2", {}, title);
  return made;
}

const color = (root, name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

// Blue for low, white for the middle, orange for high: told apart by the colour-blind too.
function shade(value, low, high) {
  const x = Math.max(-1, Math.min(1, (2 * (value - low)) / (high - low) - 1));
  const end = x < 0 ? [0, 90, 160] : [213, 94, 0];
  return `rgb(${end.map((c) => Math.round(255 + (c - 255) * Math.abs(x))).join(",")})`;
}

function drawPixels(canvas, values, [height, width], low, high, cursor = -1) {
  const size = Math.max(1, Math.floor(256 / Math.max(width, height)));
  canvas.width = width * size;
  canvas.height = height * size;
  const pen = canvas.getContext("2d");
  for (let i = 0; i < values.length; i++) {
    pen.fillStyle = shade(values[i], low, high);
    const [x, y] = [(i % width) * size, Math.floor(i / width) * size];
    pen.fillRect(x, y, size, size);
    if (i === cursor) {
      pen.strokeStyle = "#000";
      pen.lineWidth = 3;
      pen.strokeRect(x + 2, y + 2, size - 4, size - 4);
    }
  }
}

// A picture with axes in the pixels of the screen. Returns the pen and both scales.
function axes(root, canvas, { x, y, xlabel, ylabel, log }) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth || 320, height = 190;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = "12px system-ui, sans-serif";
  const [left, right, top, bottom] = [52, width - 10, 8, height - 36];
  const along = log ? (value) => Math.log(Math.max(value, x[0]) / x[0]) / Math.log(x[1] / x[0])
    : (value) => (value - x[0]) / (x[1] - x[0]);
  const toX = (value) => left + Math.min(1, Math.max(0, along(value))) * (right - left);
  const toY = (value) => bottom - ((value - y[0]) / (y[1] - y[0])) * (bottom - top);
  pen.strokeStyle = color(root, "line");
  pen.strokeRect(left, top, right - left, bottom - top);
  pen.fillStyle = color(root, "soft");
  pen.textAlign = "center";
  for (const tick of log ? decades(x) : even(x)) pen.fillText(short(tick), toX(tick), bottom + 15);
  pen.fillText(xlabel, (left + right) / 2, bottom + 31);
  pen.textAlign = "right";
  for (const tick of even(y)) pen.fillText(short(tick), left - 5, toY(tick) + 4);
  pen.save();
  pen.translate(11, (top + bottom) / 2);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillText(ylabel, 0, 0);
  pen.restore();
  return { pen, toX, toY, left, right, top, bottom };
}

const short = (value) => String(Number(value.toPrecision(3)));
const even = ([low, high]) => [low, (low + high) / 2, high];

function decades([low, high]) {
  const ticks = [];
  for (let p = Math.ceil(Math.log10(low)); 10 ** p <= high; p++) ticks.push(10 ** p);
  return ticks;
}

function curve({ pen, toX, toY }, xs, ys, style, width = 2) {
  pen.strokeStyle = style;
  pen.lineWidth = width;
  pen.beginPath();
  xs.forEach((x, i) => pen.lineTo(toX(x), toY(ys[i])));
  pen.stroke();
}

function cursorAt({ pen, toX, top, bottom }, time, style) {
  pen.strokeStyle = style;
  pen.lineWidth = 1.5;
  pen.setLineDash([4, 3]);
  pen.beginPath();
  pen.moveTo(toX(time), top);
  pen.lineTo(toX(time), bottom);
  pen.stroke();
  pen.setLineDash([]);
}

// What sites of Sphinx and JupyterLab say of their theme; where nothing does, the system's holds.
const THEMES = ["data-theme", "data-jp-theme-light"];

function isDark(system) {
  const { theme } = document.documentElement.dataset, { jpThemeLight } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "false";
  return theme ? theme === "dark" : system;
}

// Newest question wins: one is under way, and only the last of those that wait is asked. `ask` can see
// whether its question is still the last, and `tell` hears whether one is under way.
function newest(ask, tell) {
  let busy = false, waiting = null;
  return async function next(question) {
    waiting = question;
    if (busy) return;
    tell((busy = true));
    while (waiting) {
      const now = waiting;
      waiting = null;
      await ask(now, () => waiting === null);
    }
    tell((busy = false));
  };
}

function parsed(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    throw new Error("it is cut or changed");
  }
}

// A cue and knobs as they came from elsewhere, refused unless they can be used.
export function readCue({ memories: [{ length }] }, cue) {
  if (!Array.isArray(cue) || cue.length !== length) {
    throw new Error(`the cue has ${cue?.length} units, the patterns have ${length}`);
  }
  if (!cue.every((value) => Number.isFinite(value) && Math.abs(value) <= 1e6)) {
    throw new Error("the cue is not of numbers up to 1e6");
  }
  return cue;
}

export function readKnobs({ ranges, knobs: known }, knobs) {
  const fits = {
    scope: (value) => ["broadcast", "link"].includes(value),
    seed: (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 31,
  };
  for (const [name, [low, high]] of Object.entries(ranges)) {
    fits[name] = (value) => Number.isFinite(value) && value >= low && value <= high;
  }
  for (const name of Object.keys(knobs)) {
    if (!(name in known)) throw new Error(`there is no knob ${name}`);
  }
  return Object.fromEntries(Object.keys(known).map((name) => {
    if (!fits[name](knobs[name])) throw new Error(`${name} is missing or out of range`);
    return [name, knobs[name]];
  }));
}

class View {
  constructor(root, { described, answer, link, state }) {
    Object.assign(this, { root, described, answer, link });
    this.cue = described.memories[described.first].slice();
    this.memory = described.first;
    this.knobs = { ...described.knobs };
    this.damage = 0;
    this.found = null;
    this.frame = 0;
    this.cursor = -1;
    this.ask = newest(
      (question, isLast) => this.recall(question, isLast),
      (busy) => root.setAttribute("aria-busy", busy));
    root.classList.add("amsim");
    root.textContent = "";
    this.build();
    this.flip();
    if (state) this.restore(state);
    this.changed();
    new ResizeObserver(() => this.draw()).observe(root);
    this.followTheme();
  }

  followTheme() {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => {
      this.root.classList.toggle("dark", isDark(system.matches));
      this.draw();
    };
    follow();
    system.addEventListener("change", follow);
    for (const place of [document.documentElement, document.body]) {
      new MutationObserver(follow).observe(place, { attributeFilter: THEMES });
    }
  }

  build() {
    const { root } = this;
    element(root, "h1", {}, "Watch a memory being recalled");
    this.said = element(root, "p", { class: "said", role: "status", "aria-live": "polite" });
    this.linked = element(root, "p", { class: "said wrong", role: "alert" });
    const verdicts = element(root, "div", { class: "verdicts" });
    this.recalled = this.verdict(verdicts, "recalled");
    this.certified = this.verdict(verdicts, "certified");
    const grid = element(root, "div", { class: "grid" });
    this.buildCue(panel(grid, "cue", "Cue"));
    this.buildState(panel(grid, "state", "State"));
    this.buildKnobs(panel(grid, "physics", "Physics"));
    this.energy = this.chart(panel(grid, "energy", "Energy"), "Energy over time");
    this.shares = this.chart(panel(grid, "shares", "Memories"), "Share of each memory over time");
    const raster = panel(grid, "raster", "Messages");
    this.raster = this.chart(raster, "Messages of each unit over time");
    this.count = element(raster, "p", { class: "note" });
    const python = panel(grid, "python", "The same in Python");
    this.code = element(python, "pre", { tabindex: "0" });
    const row = element(python, "div", { class: "controls" });
    this.copying(row, "Copy the lines", () => this.code.textContent);
    if (this.link) this.copying(row, "Copy a link to this state", () => this.link(this.saved()));
  }

  verdict(parent, name) {
    const made = element(parent, "section", { class: `verdict ${name}`, "aria-live": "polite" });
    return { made, what: element(made, "p"), why: element(made, "p", { class: "why" }) };
  }

  chart(parent, label) {
    return element(parent, "canvas", { role: "img", "aria-label": label });
  }

  copying(parent, label, text) {
    const button = element(parent, "button", { type: "button" }, label);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text());
        button.textContent = "Copied";
      } catch {
        this.say(text());
      }
      setTimeout(() => (button.textContent = label), 1200);
    });
  }

  buildCue(parent) {
    const { described } = this;
    const label = described.painted
      ? "Cue. Drag to draw; arrow keys move, space flips a pixel" : "Cue";
    this.cueCanvas = element(parent, "canvas", { class: "pixels", "aria-label": label });
    if (described.painted) this.paintable(this.cueCanvas);
    else this.cueCanvas.setAttribute("role", "img");
    const row = element(parent, "div", { class: "controls" });
    for (const [text, act] of [
      ["Flip 20 %", () => this.flip()],
      ["Clear", () => this.setCue(this.cue.map(() => described.low))],
    ]) {
      element(row, "button", { type: "button" }, text).addEventListener("click", () => {
        act();
        this.changed();
      });
    }
    const memories = element(parent, "div", { class: "controls memories" });
    described.memories.forEach((values, i) => {
      const button = element(memories, "button", { type: "button", "aria-label": `Memory ${i}` });
      drawPixels(element(button, "canvas"), values, described.shape, described.low, described.high);
      button.addEventListener("click", () => {
        this.memory = i;
        this.setCue(values);
        this.changed();
      });
    });
  }

  paintable(canvas) {
    const { shape: [height, width], low, high } = this.described;
    canvas.classList.add("drawn");
    canvas.setAttribute("tabindex", "0");
    canvas.setAttribute("role", "application");
    let ink = null, last = null;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [
        ((event.clientX - box.left) / box.width) * width,
        ((event.clientY - box.top) / box.height) * height,
      ];
    };
    const pixel = ([x, y]) =>
      (x >= 0 && x < width && y >= 0 && y < height ? Math.floor(y) * width + Math.floor(x) : -1);
    const paint = (...pixels) => {
      const fresh = pixels.filter((i) => i >= 0 && this.cue[i] !== ink);
      for (const i of fresh) this.cue[i] = ink;
      if (fresh.length) this.changed();
    };
    // A fast hand is seen at few places: the pixels between two of them are drawn too.
    const stroke = ([x, y]) => {
      const [dx, dy] = [x - last[0], y - last[1]];
      const steps = Math.ceil(4 * Math.max(Math.abs(dx), Math.abs(dy)));
      paint(...Array.from({ length: steps + 1 }, (_, k) =>
        pixel([x - dx * (1 - k / (steps || 1)), y - dy * (1 - k / (steps || 1))])));
      last = [x, y];
    };
    const other = (i) => (this.cue[i] > (low + high) / 2 ? low : high);
    canvas.addEventListener("pointerdown", (event) => {
      const i = pixel(at(event));
      if (i < 0) return;
      canvas.setPointerCapture(event.pointerId);
      last = at(event);
      ink = other(i);
      paint(i);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (ink !== null) stroke(at(event));
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(kind, () => (ink = null));
    }
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    canvas.addEventListener("keydown", (event) => {
      const now = Math.max(this.cursor, 0);
      if (event.key in moves) {
        const [dx, dy] = moves[event.key];
        const x = Math.min(width - 1, Math.max(0, (now % width) + dx));
        const y = Math.min(height - 1, Math.max(0, Math.floor(now / width) + dy));
        this.cursor = y * width + x;
        const value = this.cue[this.cursor] > (low + high) / 2 ? "high" : "low";
        this.say(`row ${y + 1}, column ${x + 1}: ${value}`);
        this.drawCue();
      } else if (event.key === " " || event.key === "Enter") {
        this.cursor = now;
        ink = other(now);
        paint(now);
        ink = null;
      } else return;
      event.preventDefault();
    });
    canvas.addEventListener("blur", () => {
      this.cursor = -1;
      this.drawCue();
    });
  }

  buildState(parent) {
    this.stateCanvas = element(parent, "canvas", { class: "pixels", role: "img" });
    const row = element(parent, "div", { class: "controls" });
    this.play = element(row, "button", { type: "button" }, "Play");
    this.slider = element(row, "input", { type: "range", min: 0, step: 1, "aria-label": "Time" });
    this.clock = element(parent, "p", { class: "note" });
    this.slider.addEventListener("input", () => {
      this.stop();
      this.show(Number(this.slider.value));
    });
    this.play.addEventListener("click", () => (this.timer ? this.stop() : this.start()));
  }

  buildKnobs(parent) {
    this.inputs = {};
    const beta = this.described.knobs.beta;
    for (const [name, label, log, lowest, highest, about] of KNOBS) {
      const low = lowest ?? beta / 100, high = highest ?? beta * 20;
      const row = element(parent, "label", { class: "knob", title: about });
      element(row, "span", {}, label);
      const input = element(row, "input", {
        type: "range", min: 0, max: STEPS, step: 1, name, "aria-label": `${label}: ${about}`,
      });
      const output = element(row, "output");
      const read = () => {
        const share = Number(input.value) / STEPS;
        return Number((log ? low * (high / low) ** share : low + (high - low) * share).toPrecision(3));
      };
      const write = (value) => {
        const share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
        input.value = String(Math.round(Math.min(1, Math.max(0, share)) * STEPS));
        output.textContent = short(value);
        input.setAttribute("aria-valuetext", short(value));
      };
      input.addEventListener("input", () => {
        this.knobs[name] = read();
        output.textContent = short(this.knobs[name]);
        input.setAttribute("aria-valuetext", output.textContent);
        this.changed();
      });
      this.inputs[name] = write;
    }
    this.buildLinks(parent);
    this.writeKnobs();
  }

  buildLinks(parent) {
    const row = element(parent, "div", { class: "controls" });
    const label = element(row, "label", {}, "delays and losses ");
    this.scope = element(label, "select", { name: "scope" });
    element(this.scope, "option", { value: "broadcast" }, "by sender");
    element(this.scope, "option", { value: "link" }, "by link");
    this.scope.addEventListener("change", () => {
      this.knobs.scope = this.scope.value;
      this.changed();
    });
    const seed = element(row, "label", {}, "seed ");
    this.seed = element(seed, "input", {
      type: "number", min: 0, max: 2 ** 31 - 1, step: 1, name: "seed", size: 5,
    });
    this.seed.addEventListener("input", () => {
      if (!this.seed.checkValidity() || this.seed.value === "") return;
      this.knobs.seed = Number(this.seed.value);
      this.changed();
    });
    element(row, "button", { type: "button" }, "Reset").addEventListener("click", () => {
      this.knobs = { ...this.described.knobs };
      this.writeKnobs();
      this.changed();
    });
  }

  writeKnobs() {
    for (const [name, write] of Object.entries(this.inputs)) write(this.knobs[name]);
    this.scope.value = this.knobs.scope;
    this.seed.value = this.knobs.seed;
  }

  setCue(values) {
    this.cue = values.slice();
  }

  // A fifth of the pixels of the memory that was chosen, others each time.
  flip() {
    const { memories, low, high } = this.described;
    const cue = memories[this.memory].slice();
    const order = cue.map((_, i) => i);
    let draw = 88172645463325n + BigInt(this.damage++);
    for (let i = order.length - 1; i > 0; i--) {
      draw = (draw * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n);
      const j = Number((draw >> 33n) % BigInt(i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    for (const i of order.slice(0, Math.round(cue.length / 5))) cue[i] = low + high - cue[i];
    this.setCue(cue);
  }

  saved() {
    return JSON.stringify({ cue: this.cue, knobs: this.knobs, of: this.described.fingerprint });
  }

  // A state of a link, all of it or nothing.
  restore(text) {
    try {
      const { cue, knobs } = this.read(text);
      this.setCue(cue);
      this.knobs = knobs;
      this.writeKnobs();
      this.linked.textContent = "";
    } catch (error) {
      this.linked.textContent = `The link was not followed: ${error.message}.`;
    }
  }

  read(text) {
    const { described } = this, { cue, knobs, of } = parsed(text);
    if (!cue || !knobs) throw new Error("it holds no cue and knobs");
    const state = { cue: readCue(described, cue), knobs: readKnobs(described, knobs) };
    if (of !== described.fingerprint) throw new Error("it is of other patterns");
    return state;
  }

  // Another link in the same tab.
  open(state) {
    if (state === null) return;
    this.restore(state);
    this.changed();
  }

  // What is shown is of an earlier question until the answer to this one is.
  changed() {
    this.drawCue();
    this.root.classList.add("stale");
    this.ask({ cue: this.cue.slice(), knobs: { ...this.knobs } });
  }

  // The recall, and its certificate once it is drawn, unless another question waits.
  async recall(question, isLast) {
    try {
      const found = await this.answer(question, (text) => this.say(text));
      this.found = found;
      this.say("");
      this.stop();
      if (isLast()) this.root.classList.remove("stale");
      this.showRecalled();
      this.showCertified(null);
      this.code.textContent = found.python;
      this.slider.max = String(found.times.length - 1);
      this.show(found.times.length - 1);
      if (found.status !== "settled" || !isLast()) return;
      const proven = await this.answer({ ...question, end: found.final });
      if (isLast()) this.showCertified(proven);
    } catch (error) {
      if (isLast()) this.forget(error);
    }
  }

  // Nothing is known of this cue and these knobs.
  forget(error) {
    this.say(error.message, true);
    this.stop();
    this.found = null;
    for (const { made, what, why } of [this.recalled, this.certified]) {
      what.textContent = "Not known";
      why.textContent = "";
      made.dataset.holds = "";
      made.removeAttribute("aria-busy");
    }
    for (const canvas of [this.stateCanvas, this.energy, this.shares, this.raster]) {
      canvas.width = canvas.width; // clears it
    }
    for (const text of [this.code, this.clock, this.count]) text.textContent = "";
    this.root.classList.remove("stale");
  }

  say(text, wrong = false) {
    this.said.textContent = text;
    this.said.classList.toggle("wrong", wrong);
  }

  showRecalled() {
    const { found } = this;
    const near = `memory ${found.memory}, distance ${found.distance.toFixed(2)}`;
    this.recalled.what.textContent = found.recalled ? `Recalled: ${near}`
      : found.status === "settled" ? `Settled, but not recalled: nearest is ${near}`
        : `Not settled: nearest is ${near}`;
    this.recalled.why.textContent =
      `${found.status === "settled" ? `At rest from t = ${short(found.end)} τ on` : found.message}; `
      + `${found.messages} messages.`;
    this.recalled.made.dataset.holds = found.recalled;
  }

  // What is proven of all timings; null as long as that is not known.
  showCertified(found) {
    const settled = this.found.status === "settled", { made, what, why } = this.certified;
    made.setAttribute("aria-busy", settled && !found);
    made.dataset.holds = settled && !found ? "" : Boolean(found?.certified);
    what.textContent = found?.certified ? "Certified: no timing can change where it ends"
      : settled && !found ? "Certified or not: being worked out" : "Not certified: timing may matter";
    why.textContent = found?.certificate
      ?? (settled ? "" : "The recall did not settle, so there is no state to prove anything about.");
  }

  start() {
    if (!this.found) return;
    this.play.textContent = "Pause";
    let next = this.frame >= this.found.times.length - 1 ? 0 : this.frame;
    this.timer = setInterval(() => {
      this.show(next++);
      if (next >= this.found.times.length) this.stop();
    }, 60);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "Play";
  }

  show(frame) {
    if (!this.found) return;
    this.frame = frame;
    this.slider.value = String(frame);
    this.draw();
  }

  draw() {
    this.drawCue();
    if (!this.found) return;
    const { found, frame, described: { shape, low, high } } = this;
    const time = found.times[frame];
    drawPixels(this.stateCanvas, found.states[frame], shape, low, high);
    this.clock.textContent = `t = ${short(time)} τ`;
    this.slider.setAttribute("aria-valuetext", this.clock.textContent);
    this.stateCanvas.setAttribute("aria-label", `State at ${this.clock.textContent}`);
    this.drawEnergy(time);
    this.drawShares(time);
    this.drawRaster(time);
  }

  drawCue() {
    const { shape, low, high } = this.described;
    drawPixels(this.cueCanvas, this.cue, shape, low, high, this.cursor);
  }

  span() {
    const { times } = this.found;
    return [0.02, Math.max(times[times.length - 1], 0.2)];
  }

  drawEnergy(time) {
    const { root, found } = this;
    const low = Math.min(...found.energy), high = Math.max(...found.energy);
    const pad = 0.05 * (high - low || 1);
    const chart = axes(root, this.energy, {
      x: this.span(), y: [low - pad, high + pad], log: true, xlabel: "time (τ)", ylabel: "energy",
    });
    curve(chart, found.times, found.energy, color(root, "blue"), 2.5);
    cursorAt(chart, time, color(root, "ink"));
  }

  drawShares(time) {
    const { root, found } = this;
    const chart = axes(root, this.shares, {
      x: this.span(), y: [0, 1], log: true, xlabel: "time (τ)", ylabel: "softmax share",
    });
    found.shares[0].forEach((_, k) => {
      const mine = k === found.memory;
      const style = color(root, mine ? "orange" : "soft");
      curve(chart, found.times, found.shares.map((row) => row[k]), style, mine ? 3 : 1);
    });
    chart.pen.fillStyle = color(root, "orange");
    chart.pen.textAlign = "right";
    chart.pen.fillText(`memory ${found.memory}`, chart.right - 6, chart.top + 16);
    cursorAt(chart, time, color(root, "ink"));
  }

  drawRaster(time) {
    const { root, found, described } = this;
    const units = described.memories[0].length, rows = units + described.memories.length;
    const chart = axes(root, this.raster, {
      x: this.span(), y: [rows, 0], log: true, xlabel: "time (τ)", ylabel: "unit",
    });
    const { times, units: who } = found.events;
    const size = Math.max(1.5, (chart.bottom - chart.top) / rows);
    const [blue, orange] = [color(root, "blue"), color(root, "orange")];
    times.forEach((t, i) => {
      chart.pen.fillStyle = who[i] < units ? blue : orange;
      chart.pen.fillRect(chart.toX(t), chart.toY(who[i] + 1), 1.5, size);
    });
    cursorAt(chart, time, color(root, "ink"));
    const drawn = times.length < found.messages ? `; ${times.length} of them drawn` : "";
    this.count.textContent =
      `${found.messages} messages${drawn}; blue: features, orange: memories`;
  }
}

export function mount(root, options) {
  return new View(root, options);
}

// A widget of Jupyter: questions go to Python as messages, and answers carry their number.
function render({ model, el }) {
  const waiting = new Map();
  let number = 0;
  model.on("msg:custom", (found) => {
    const settle = waiting.get(found.number);
    waiting.delete(found.number);
    settle?.(found);
  });
  const answer = async (question, say) => {
    const slow = setTimeout(() => say?.(COMPILING), 1500);
    const found = await new Promise((resolve) => {
      waiting.set(++number, resolve);
      model.send({ ...question, number });
    });
    clearTimeout(slow);
    if (found.error) throw new Error(found.error);
    return found;
  };
  // Keys are for the view here: JupyterLab would take arrows to move between cells.
  el.dataset.lmSuppressShortcuts = "true";
  el.addEventListener("keydown", (event) => event.stopPropagation());
  mount(el, { described: model.get("described"), answer });
}

export default { render };
