// The recalls of amsim.explore.recall, in the browser: features and softmax memories that send their
// outputs when these have moved by a quantum. docs/events.md has the equations; a test compares each
// message with those of am.EventDriven.
import { draws } from "./draws.js";

const T1 = 60, TOLERANCE = 1e-6, MOST_MESSAGES = 200_000, BROADCAST = -1;
export const PATIENCE = 1500; // milliseconds that a recall, and the search for its rest, may take
const CLOSE = 1e-12; // distance in log-odds that counts as reached

export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

export const times = (weights, x) => weights.map((row) => dot(row, x));
export const transposed = (rows) => Array.from(rows[0], (_, i) => rows.map((row) => row[i]));

export function softmax(x, beta) {
  const peak = Math.max(...x), powers = Float64Array.from(x);
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += powers[i] = Math.exp(beta * (x[i] - peak));
  for (let i = 0; i < x.length; i++) powers[i] /= sum;
  return powers;
}

// Units of one time constant: between messages the gap between x and its target decays.
class Layer {
  constructor(state, target, tau, quantum) {
    Object.assign(this, { target: Float64Array.from(target), tau, quantum });
    this.gap = this.target.map((value, i) => value - state[i]);
    this.size = state.length;
    this.since = 0;
    this.changed = true;
    this.sentAt = new Float64Array(this.size);
    this.number = new Int32Array(this.size);
  }

  begin() {
    const output = this.output();
    this.up = Float64Array.from(output, (y) => y + this.quantum);
    this.down = Float64Array.from(output, (y) => y - this.quantum);
  }

  // When a unit may reach a level; worked out anew only after something has changed.
  get due() {
    if (this.changed) this.look();
    this.changed = false;
    return this.known;
  }

  at(time) {
    const { gap } = this, left = Math.exp((this.since - time) / this.tau);
    return this.target.map((value, i) => value - gap[i] * left);
  }

  advance(time) {
    if (time === this.since) return;
    const left = Math.exp((this.since - time) / this.tau);
    for (let i = 0; i < this.size; i++) this.gap[i] *= left;
    this.since = time;
  }

  residual() {
    return this.gap.reduce((most, gap) => Math.max(most, Math.abs(gap)), 0);
  }
}

// Their output is their state: the moment at which it reaches a level is a logarithm.
class Features extends Layer {
  output() {
    return this.at(this.since);
  }

  look() {
    let first = Infinity;
    this.next = { unit: -1, direction: 0 };
    for (let i = 0; i < this.size; i++) {
      const gap = this.gap[i], direction = Math.sign(gap);
      const distance = this.target[i] - (gap > 0 ? this.up : this.down)[i];
      if (gap === 0 || gap * distance <= 0 || gap / distance >= first) continue;
      first = gap / distance;
      this.next = { unit: i, direction };
    }
    this.known = this.since + this.tau * Math.log(first);
  }
}

// Softmax units: no output reaches its level before bounds on its log-odds do; then they look again.
class Memories extends Layer {
  constructor(state, target, tau, quantum, beta) {
    super(state, target, tau, quantum);
    this.beta = beta;
  }

  output() {
    return softmax(this.at(this.since), this.beta);
  }

  look() {
    const { beta, tau, size } = this, share = this.output();
    const velocity = this.gap.map((gap) => gap / tau);
    const speed = beta * (Math.max(...velocity) - Math.min(...velocity));
    const bend = speed / tau + speed ** 2 / 4, mean = dot(share, velocity);
    const close = CLOSE + 4e-16 * beta * Math.max(...this.at(this.since).map(Math.abs));
    const best = share.indexOf(Math.max(...share));
    const rest = share.reduce((sum, p, i) => (i === best ? sum : sum + p), 0);
    let wait = Infinity;
    for (let i = 0; i < size; i++) {
      const others = i === best ? rest : 1 - share[i];
      const drift = beta * (velocity[i] - (mean - share[i] * velocity[i]) / others);
      for (const [direction, level] of [[1, this.up[i]], [-1, this.down[i]]]) {
        if (level <= 0 || level >= 1) continue;
        const gap = direction * Math.log((level * others) / ((1 - level) * share[i]));
        const towards = direction * Math.min(Math.max(drift, -speed), speed);
        if (gap <= close && towards >= 0) {
          this.next = { unit: i, direction };
          this.known = this.since;
          return;
        }
        const far = Math.max(gap, close);
        wait = Math.min(wait, (2 * far) / (towards + Math.sqrt(towards ** 2 + 2 * bend * far)));
      }
    }
    this.next = { unit: -1, direction: 0 };
    this.known = this.since + Math.max(wait, 4e-16 * this.since);
  }
}

// Packets by time; of equal times the first comes first.
class Queue {
  items = [];
  order = 0;

  static before(a, b) {
    return a.time < b.time || (a.time === b.time && a.order < b.order);
  }

  push(packet) {
    const { items } = this;
    packet.order = this.order++;
    let k = items.push(packet) - 1;
    for (let parent; k > 0 && Queue.before(packet, items[(parent = (k - 1) >> 1)]); k = parent) {
      items[k] = items[parent];
    }
    items[k] = packet;
  }

  pop() {
    const { items } = this, first = items[0], last = items.pop();
    if (!items.length) return first;
    let k = 0;
    for (;;) {
      let child = 2 * k + 1;
      if (child + 1 < items.length && Queue.before(items[child + 1], items[child])) child++;
      if (child >= items.length || Queue.before(last, items[child])) break;
      items[k] = items[child];
      k = child;
    }
    items[k] = last;
    return first;
  }
}

// One recall; `record(time, features, memories)` is called at each of the times, and at the end.
export class Run {
  constructor(weights, cue, knobs) {
    this.knobs = knobs;
    const { beta, tau_hidden: tau, quantum } = knobs, back = transposed(weights);
    const hidden = times(weights, cue), shares = softmax(hidden, beta);
    this.features = new Features(cue, times(back, shares), 1, quantum);
    this.memories = new Memories(hidden, hidden, tau, quantum, beta);
    // The two ways of the synapse, in the order in which am.Dense names them.
    this.ways = [
      { source: this.memories, target: this.features, rows: weights, first: cue.length, known: shares },
      { source: this.features, target: this.memories, rows: back, first: 0, known: cue },
    ];
    for (const [way, each] of this.ways.entries()) {
      each.way = way;
      each.copies = knobs.scope === "link" ? each.target.size : 1;
      each.register = Float64Array.from({ length: each.source.size * each.copies },
        (_, k) => each.known[Math.floor(k / each.copies)]);
      each.received = new Int32Array(each.register.length).fill(-1);
      each.source.sends = each;
    }
    this.draws = draws(knobs.seed);
    this.queue = new Queue();
    this.messages = [];
    this.now = 0;
    this.transit = knobs.delay + knobs.jitter;
    this.check = this.transit;
    this.heartbeat = knobs.drop ? 1 : Infinity;
    for (const layer of [this.features, this.memories]) {
      layer.begin();
      for (let unit = 0; knobs.drop && unit < layer.size; unit++) this.beat(layer, unit, 1);
    }
  }

  beat(layer, unit, time) {
    this.queue.push({ time, beat: layer, unit });
  }

  // To the end, or to the limit of time, messages or patience: the status.
  toEnd(at, record, patience) {
    const { features, memories, queue } = this, late = performance.now() + patience;
    for (let written = 0, events = 0; ;) {
      if (++events % 256 === 0 && performance.now() > late) return "interrupted";
      const arrival = queue.items.length ? queue.items[0].time : Infinity;
      if (arrival <= this.now) {
        this.arrive(queue.pop());
        continue;
      }
      const layer = memories.due < features.due ? memories : features;
      const time = Math.max(Math.min(layer.due, arrival, this.check), this.now);
      for (; written < at.length && at[written] < time; written++) {
        record(at[written], features.at(at[written]), memories.at(at[written]));
      }
      if (this.messages.length >= MOST_MESSAGES) return "max_events";
      if (time > T1) {
        this.now = T1;
        return "time_limit";
      }
      this.now = time;
      if (arrival <= time) this.arrive(queue.pop());
      else if (layer.due <= time) this.reach(layer);
      else if (this.atRest()) return "settled";
    }
  }

  // A unit of a layer reaches a level, or the layer looks again.
  reach(layer) {
    layer.advance(this.now);
    if (layer === this.memories) layer.look();
    const { unit, direction } = layer.next;
    if (unit >= 0) this.send(layer, unit, (direction > 0 ? layer.up : layer.down)[unit], direction);
  }

  send(layer, unit, value, direction) {
    const { knobs, now } = this, index = this.messages.length, { sends } = layer;
    this.messages.push({ time: now, unit: sends.first + unit, value });
    layer.up[unit] = value + layer.quantum;
    layer.down[unit] = value - layer.quantum;
    layer.number[unit]++;
    layer.sentAt[unit] = now;
    if (direction !== 0) this.check = now + this.transit;
    const draw = this.draws(sends.first + unit, layer.number[unit]);
    const receivers = knobs.scope === "link" ? sends.target.size : 1;
    for (let k = 0; k < receivers; k++) {
      const receiver = knobs.scope === "link" ? k : BROADCAST;
      const time = now + knobs.delay
        + (knobs.jitter && knobs.jitter * draw.jitter(sends.way, receiver));
      if (knobs.drop && draw.drop(sends.way, receiver) < knobs.drop) continue;
      this.queue.push({ time, sends, index, unit, receiver, value });
    }
    layer.advance(now);
    layer.changed = true;
  }

  arrive({ beat, sends, index, unit, receiver, value }) {
    if (beat) {
      this.repeat(beat, unit);
      return;
    }
    const place = unit * sends.copies + Math.max(receiver, 0);
    if (index < sends.received[place]) return; // overtaken
    const change = value - sends.register[place];
    sends.received[place] = index;
    sends.register[place] = value;
    if (change === 0) return;
    const { target, rows } = sends, row = rows[unit];
    target.advance(this.now);
    const all = receiver === BROADCAST;
    for (let i = all ? 0 : receiver; i < (all ? target.size : receiver + 1); i++) {
      target.target[i] += row[i] * change;
      target.gap[i] += row[i] * change;
    }
    target.changed = true;
  }

  // A unit that has been silent for long sends again.
  repeat(layer, unit) {
    const { now } = this;
    layer.advance(now);
    const value = layer.output()[unit];
    const direction = value >= layer.up[unit] ? 1 : value <= layer.down[unit] ? -1 : 0;
    const sends = direction !== 0 || now - layer.sentAt[unit] >= this.heartbeat * (1 - 1e-12);
    this.beat(layer, unit, (sends ? now : layer.sentAt[unit]) + this.heartbeat);
    if (sends) this.send(layer, unit, value, direction);
  }

  // No message is on its way: whether the rest of the way is short; else look when it will be.
  atRest() {
    let wait = 0;
    for (const layer of [this.features, this.memories]) {
      layer.advance(this.now);
      wait = Math.max(wait, Math.log(Math.max(layer.residual() / TOLERANCE, 1)) * layer.tau);
    }
    this.check = this.now + (1 + 1e-9) * wait;
    return wait === 0;
  }
}
