// Arithmetic of scores over time. A track has S windows and K labels:
// {starts: S seconds, stops: S seconds, labels: K words, probabilities: S x K}.

/** The middle of each window, in seconds. */
export const centres = ({ starts, stops }) => starts.map((start, i) => (start + stops[i]) / 2);

/** Which of some scores is the greatest. */
export const greatest = (scores) => scores.indexOf(Math.max(...scores));

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
  track.probabilities.forEach((scores, i) => {
    const label = track.labels[greatest(scores)];
    const last = found.at(-1);
    if (last?.label === label) return;
    const start = last ? (times[i - 1] + times[i]) / 2 : 0;
    if (last) last.stop = start;
    found.push({ label, start, stop: seconds });
  });
  return found;
}

/**
 * A number for each label of any model, so that one class has one ink: first those of the whole
 * video, the most probable first, then those that only rise for a moment.
 */
export function inks(results) {
  const ranks = new Map();
  const rank = (label, share) => ranks.set(label, Math.max(share, ranks.get(label) ?? 0));
  for (const { top, track } of results) {
    top.forEach(({ label, probability }) => rank(label, 1 + probability));
    track.labels.forEach((label, k) => rank(label, Math.max(...track.probabilities.map((p) => p[k]))));
  }
  const order = [...ranks.keys()].sort((a, b) => ranks.get(b) - ranks.get(a));
  return new Map(order.map((label, number) => [label, number]));
}

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

/** Times for an axis, in round steps: from 0 to at most the end, `count` steps or fewer. */
export function ticks(seconds, count = 6) {
  const step = STEPS.find((each) => seconds / each <= count) ?? seconds / count;
  return Array.from({ length: Math.floor(seconds / step + 1e-6) + 1 }, (_, i) => i * step);
}
