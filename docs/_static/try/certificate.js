// amsim.stability.certify for one cue of a memory with softmax units: a box of features that holds
// cue and target and contains its image, and on which the update contracts (docs/certificates.md).
// Every bound is moved outwards by far more than rounding: what is certified here, certify certifies.
import { dot, PATIENCE, softmax, times, transposed } from "./events.js";

const SLACK = 1e-12, PASSES = 200, STALLED = 0.99, TOLERANCE = 1e-3;

const sum = (values) => values.reduce((a, b) => a + b, 0);
const magnitude = (rows) => rows.map((row) => row.map(Math.abs));

// The fixed point that recalls reach from a state, by repeated updates; null if they do not in time.
export function rest(weights, beta, start) {
  const back = transposed(weights), late = performance.now() + PATIENCE;
  let state = Array.from(start);
  while (performance.now() < late) {
    const next = times(back, softmax(times(weights, state), beta));
    const moved = Math.max(...next.map((value, k) => Math.abs(value - state[k])));
    state = next;
    if (moved <= 1e-9) return state;
  }
  return null;
}

class Images {
  constructor(weights, beta, target, scope) {
    this.beta = beta;
    this.back = transposed(weights);
    const hidden = times(weights, target), winner = hidden.indexOf(Math.max(...hidden));
    // By broadcast all memories read one value: they count from the winner.
    this.rows = scope === "link" ? weights
      : weights.map((row) => row.map((weight, i) => weight - weights[winner][i]));
    this.sizes = magnitude(this.rows);
    this.backSizes = magnitude(this.back);
    this.largest = Math.max(...this.sizes.flat(), ...this.backSizes.flat(), 1);
  }

  // Products of rows with a box, as centres and radii.
  static product(rows, sizes, { centre, radius }) {
    const error = SLACK * (1 + Math.max(...centre.map(Math.abs)) * Math.max(...sizes.map(sum)));
    return {
      centre: times(rows, centre), radius: times(sizes, radius).map((r) => r * (1 + SLACK) + error),
    };
  }

  of({ lo, hi }) {
    const memories = Images.product(this.rows, this.sizes, middle(lo, hi));
    const shares = this.shares(memories);
    const { centre, radius } = Images.product(this.back, this.backSizes, middle(...shares));
    return {
      shares, lo: centre.map((c, i) => c - radius[i]), hi: centre.map((c, i) => c + radius[i]),
    };
  }

  // Bounds on each share: its memory at one end, and all others at the other.
  shares({ centre, radius }) {
    const high = centre.map((c, k) => c + radius[k]), low = centre.map((c, k) => c - radius[k]);
    const share = (own, others) => own.map((mine, k) =>
      1 / (1 + sum(others.map((h, j) => (j === k ? 0 : Math.exp(this.beta * (h - mine)))))));
    const slack = SLACK * (1 + this.beta * Math.max(...high.map(Math.abs), ...low.map(Math.abs)));
    return [
      share(low, high).map((p) => Math.max(0, p - slack * p)),
      share(high, low).map((p) => Math.min(1, p + slack * p + 1e-300)),
    ];
  }

  // The largest factor by which differences of states in the box grow, in units of its half-widths.
  contraction({ lo, hi }, [low, high]) {
    const half = lo.map((value, i) => (hi[i] - value) / 2), floor = 0.01 * Math.max(...half);
    const unit = half.map((u) => Math.max(u, floor) + 1e-100);
    const width = times(this.sizes, unit), whole = dot(high, width);
    const moved = high.map((p, k) =>
      this.beta * p * ((1 - low[k]) * width[k] + whole * (1 + SLACK) - p * width[k]));
    const back = times(this.backSizes, moved);
    return Math.max(...back.map((u, i) => u / unit[i])) * (1 + 1e-9);
  }
}

function middle(low, high) {
  const centre = low.map((value, i) => (value + high[i]) / 2);
  return {
    centre,
    radius: low.map((value, i) =>
      Math.max(high[i] - centre[i], centre[i] - value) * (1 + SLACK) + 1e-200),
  };
}

// Whether every execution from the cue ends at the target; else why that was not proven.
export function certify(weights, beta, cue, target, scope) {
  const images = new Images(weights, beta, target, scope);
  let box = { lo: cue.map((x, i) => Math.min(x, target[i])), hi: cue.map((x, i) => Math.max(x, target[i])) };
  let invariant = false;
  const far = ({ lo, hi }) => Math.max(...target.map((x, i) => Math.max(hi[i] - x, x - lo[i])));
  const limit = TOLERANCE * Math.max(1, ...target.map(Math.abs));
  for (let pass = 0; pass < PASSES; pass++) {
    const image = images.of(box);
    invariant ||= image.lo.every((x, i) => x >= box.lo[i]) && image.hi.every((x, i) => x <= box.hi[i]);
    if (!invariant) {
      if (box.lo.every((x, i) => x >= image.lo[i]) && box.hi.every((x, i) => x <= image.hi[i])) break;
      box = grown(box, image);
      continue;
    }
    if (images.contraction(box, image.shares) < 1 && far(image) <= limit) return null;
    const smaller = {
      lo: box.lo.map((x, i) => Math.min(Math.max(x, image.lo[i]), target[i])),
      hi: box.hi.map((x, i) => Math.max(Math.min(x, image.hi[i]), target[i])),
    };
    const stalled = box.lo.every((x, i) => smaller.hi[i] - smaller.lo[i] > STALLED * (box.hi[i] - x));
    if (stalled) break;
    box = smaller;
  }
  return invariant ? "the smallest box of cue and target does not shrink to the target"
    : "no box of cue and target was found that contains its image";
}

// Towards the hull with the image, and a little more there, which ends what would only converge.
function grown({ lo, hi }, image) {
  const down = lo.map((x, i) => Math.max(0, x - image.lo[i]));
  const up = hi.map((x, i) => Math.max(0, image.hi[i] - x));
  const margin = 1e-4 * Math.max(...lo.map((x, i) => hi[i] - x + down[i] + up[i]));
  return {
    lo: lo.map((x, i) => x - down[i] - (down[i] > 0 ? margin : 0)),
    hi: hi.map((x, i) => x + up[i] + (up[i] > 0 ? margin : 0)),
  };
}
