// Arithmetic of scores over time. A track has S windows and K labels:
// {starts: S seconds, stops: S seconds, labels: K words, probabilities: S x K}.

/** The middle of each window, in seconds. */
export const centres = ({ starts, stops }) => starts.map((start, i) => (start + stops[i]) / 2);

/**
 * The probability of each label at a time, in seconds: on straight lines between the centres of
 * the windows, and flat before the first and after the last. The charts draw the same lines.
 */
export function scoresAt(track, time) {
  const times = centres(track);
  const after = times.findIndex((centre) => centre >= time);
  if (after <= 0) return track.probabilities.at(after); // the first; where there is none, the last
  const share = (time - times[after - 1]) / (times[after] - times[after - 1]);
  const next = track.probabilities[after];
  return track.probabilities[after - 1].map((p, label) => p + share * (next[label] - p));
}

/**
 * Where which label is the most probable: `[{label, start, stop}]`, one after the other from 0 to
 * the end. Neighbouring windows meet halfway between their centres.
 */
export function stretches(track, seconds) {
  const times = centres(track);
  const found = [];
  track.probabilities.forEach((row, i) => {
    const label = track.labels[row.indexOf(Math.max(...row))];
    const last = found.at(-1);
    if (last?.label === label) return;
    const start = last ? (times[i - 1] + times[i]) / 2 : 0;
    if (last) last.stop = start;
    found.push({ label, start, stop: seconds });
  });
  return found;
}

/** A number for each label of any model, from 0, the most probable first: one ink for one class. */
export function inks(results) {
  const greatest = new Map();
  for (const { top, track } of results) {
    const peaks = track.labels.map((label, k) => [label, Math.max(...track.probabilities.map((row) => row[k]))]);
    const whole = top.map(({ label, probability }) => [label, 1 + probability]); // before any peak
    for (const [label, share] of [...whole, ...peaks]) {
      greatest.set(label, Math.max(share, greatest.get(label) ?? 0));
    }
  }
  const order = [...greatest].sort(([, a], [, b]) => b - a);
  return new Map(order.map(([label], number) => [label, number]));
}

/** Round times for an axis: at most `count` steps of 1, 2 or 5 of something, or of minutes. */
export function ticks(seconds, count = 6) {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
  const step = steps.find((each) => seconds / each <= count) ?? seconds / count;
  return Array.from({ length: Math.floor(seconds / step + 1e-6) + 1 }, (_, i) => i * step);
}
