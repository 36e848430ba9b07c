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
 * Where which label is the most probable, by the same lines: `[{label, start, stop}]`, one after
 * the other from 0 to the end.
 */
export function stretches({ labels, ...track }, seconds) {
  const rows = track.probabilities;
  const times = centres(track);
  const leads = rows.slice(1).flatMap((row, i) =>
    takeovers(rows[i], row).map(({ label, share }) => ({
      label, start: times[i] + share * (times[i + 1] - times[i]),
    })),
  );
  const changes = [{ label: greatest(rows[0]), start: 0 }, ...leads]
    .filter(({ label }, i, all) => label !== all[i - 1]?.label);
  return changes.map(({ label, start }, i) => ({
    label: labels[label], start, stop: changes[i + 1]?.start ?? seconds,
  }));
}

/** Which of the straight lines between two rows is the highest, and from what share on. */
function takeovers(from, to) {
  const found = [];
  let next = { label: greatest(from), share: 0 };
  while (next.share <= 1) {
    found.push(next);
    const leader = next.label;
    const shares = from.map((p, label) => {
      const gain = to[label] - p - (to[leader] - from[leader]);
      return gain > 0 ? (from[leader] - p) / gain : Infinity; // only what rises faster overtakes
    });
    const share = Math.min(...shares);
    next = { label: shares.indexOf(share), share };
  }
  return found;
}

/**
 * A number for each label of any track, from 0, so that one class has one ink in all charts: what
 * rises highest comes first.
 */
export function inks(tracks) {
  const peaks = new Map();
  for (const { labels, probabilities } of tracks) {
    labels.forEach((label, k) => {
      const peak = Math.max(...probabilities.map((scores) => scores[k]));
      peaks.set(label, Math.max(peak, peaks.get(label) ?? 0));
    });
  }
  const order = [...peaks.keys()].sort((a, b) => peaks.get(b) - peaks.get(a));
  return new Map(order.map((label, number) => [label, number]));
}

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

/** Times for an axis, in round steps: from 0 to at most the end, `count` steps or fewer. */
export function ticks(seconds, count = 6) {
  const step = STEPS.find((each) => seconds / each <= count) ?? seconds / count;
  return Array.from({ length: Math.floor(seconds / step + 1e-6) + 1 }, (_, i) => i * step);
}
