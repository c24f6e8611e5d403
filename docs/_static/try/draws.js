// The random numbers of amsim.compiled.draws: hashes of a counter, by the finaliser of SplitMix64.
const [JITTER, DROP] = [2n, 3n];
const bits = (value) => BigInt.asUintN(64, value);

function mixed(key, counter) {
  let found = bits(key + counter * 0x9e3779b97f4a7c15n);
  found = bits((found ^ (found >> 30n)) * 0xbf58476d1ce4e5b9n);
  found = bits((found ^ (found >> 27n)) * 0x94d049bb133111ebn);
  return found ^ (found >> 31n);
}

const unitInterval = (found) => (Number(found >> 12n) + 0.5) * 2 ** -52;
const stream = (seed, purpose) => mixed(mixed(BigInt(seed), 1n), purpose + 1n);

// By unit and number of its message, then by way of the synapse and receiver (-1 for all).
export function draws(seed) {
  const keys = [stream(seed, JITTER), stream(seed, DROP)];
  return (unit, number) => {
    const [jitter, drop] = keys.map((key) => {
      let own;
      return (way, receiver) => {
        own ??= mixed(mixed(key, BigInt(unit)), BigInt(number));
        return unitInterval(mixed(own, (BigInt(way) << 32n) + BigInt(receiver + 1)));
      };
    });
    return { jitter, drop };
  };
}
