// What amsim.explore.Explorer.answer returns, worked out in the browser.
import { certify, rest } from "./certificate.js";
import { dot, PATIENCE, Run, softmax, times } from "./events.js";
import { readCue, readKnobs } from "./explore.js";

const RECALLED = 0.1, MOST_DRAWN = 4000;
const AT = [0, ...Array.from({ length: 70 }, (_, i) => 0.02 * 3000 ** (i / 69))];

const STOPPED = {
  max_events: "Stopped: too many messages",
  interrupted: `Stopped after ${PATIENCE / 1000} s`,
};

export function answer(described, { cue, knobs, end }, patience = PATIENCE) {
  const question = { cue: readCue(described, cue), knobs: readKnobs(described, knobs) };
  return end ? proof(described, { ...question, end: readCue(described, end) })
    : recall(described, question, patience);
}

function recall(described, { cue, knobs }, patience) {
  const { memories: weights } = described, { beta } = knobs;
  const frames = [];
  const record = (time, x, h) => frames.push({ time, x, h });
  const run = new Run(weights, cue, knobs);
  const status = run.toEnd(AT, record, patience);
  const { features, memories, now: end } = run;
  if (frames.length < AT.length) record(AT[frames.length], features.at(end), memories.at(end));
  const state = Array.from(features.at(end));
  const { memory, distance } = nearest(weights, state);
  return {
    status,
    message: STOPPED[status] ?? `Still moving at t = ${end} τ`,
    end,
    times: frames.map(({ time }) => time),
    states: frames.map(({ x }) => Array.from(x)),
    energy: frames.map(({ x, h }) => energy(weights, beta, x, h)),
    shares: frames.map(({ h }) => Array.from(softmax(h, beta))),
    ...drawn(run.messages),
    final: state,
    memory,
    distance,
    recalled: status === "settled" && distance < RECALLED,
    python: python(described, cue, knobs),
  };
}

// The closest pattern, and how far it is in units of the way to the closest other pattern.
function nearest(weights, state) {
  const from = (point) => weights.map((row) => Math.hypot(...row.map((w, i) => w - point[i])));
  const distances = from(state), shortest = Math.min(...distances);
  const memory = distances.indexOf(shortest), others = from(weights[memory]).filter((far) => far > 0);
  const scale = others.length ? Math.min(...others) : Math.hypot(...weights[memory]);
  return { memory, distance: shortest / scale };
}

function proof({ memories: weights }, { cue, knobs: { beta, scope }, end }) {
  const target = rest(weights, beta, end);
  if (target === null) {
    return { certified: false, certificate: "No rest state was found where it ended." };
  }
  const why = certify(weights, beta, cue, target, scope);
  if (why !== null) return { certified: false, certificate: `No proof was found: ${why}.` };
  const far = Math.max(...target.map((value, i) => Math.abs(value - end[i])));
  return {
    certified: true,
    certificate: `Whatever the delay of each ${scope === "link" ? "link" : "sender"}, and whatever is `
      + "lost while the last value holds, exact messages end at one rest state. Quanta are not "
      + `covered: with them this run ended ${Number(far.toPrecision(2))} from it.`,
  };
}

// Of features and memories: sum x g - L, less the energy of the synapse.
function energy(weights, beta, x, h) {
  const shares = softmax(h, beta), peak = Math.max(...h);
  const logSum = peak + Math.log(h.reduce((sum, each) => sum + Math.exp(beta * (each - peak)), 0)) / beta;
  return dot(x, x) / 2 + dot(h, shares) - logSum - dot(shares, times(weights, x));
}

function drawn(messages) {
  const count = Math.min(messages.length, MOST_DRAWN), step = (messages.length - 1) / (count - 1 || 1);
  const some = Array.from({ length: count }, (_, i) => messages[Math.floor(i * step)]);
  const events = { times: some.map(({ time }) => time), units: some.map(({ unit }) => unit) };
  return { messages: messages.length, events };
}

// A number as Python writes it.
const number = (value) => Number.isInteger(value) ? value.toFixed(1) : String(value);

function python({ memories, source }, cue, knobs) {
  const away = memories.map((row) => row.reduce((sum, value, i) => sum + Math.abs(value - cue[i]), 0));
  const nearest = away.indexOf(Math.min(...away));
  const changed = cue.flatMap((value, i) => (value === memories[nearest][i] ? [] : [i]));
  const values = changed.map((i) => number(cue[i]));
  const same = values.every((value) => value === values[0]);
  const timing = Object.entries({
    delay: knobs.delay, jitter: knobs.jitter, drop: knobs.drop, heartbeat: knobs.drop ? 1 : 0,
  }).filter(([, value]) => value).map(([name, value]) => `${name}=${number(value)}`);
  if (knobs.scope === "link") timing.push("scope='link'");
  return [
    "import amsim as am",
    `patterns = ${source}`,
    `cue = patterns[${nearest}].copy()`,
    ...(changed.length
      ? [`cue[[${changed.join(", ")}]] = ${same ? values[0] : `[${values.join(", ")}]`}`] : []),
    `net = am.dense_am(patterns, hidden=am.Softmax(beta=${number(knobs.beta)}), `
      + `tau_hidden=${number(knobs.tau_hidden)})`,
    `solver = am.EventDriven(${number(knobs.quantum)}, am.Timing(${timing.join(", ")}))`,
    `traj = am.simulate(net, cue, solver=solver, t1=60.0, seed=${knobs.seed})`,
  ].join("\n");
}
