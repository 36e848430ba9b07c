// Numbers for people.

/** A share for print: `96%`, with a decimal where rounding would hide the rest. */
export function percent(share) {
  const exact = Math.round(share * 1e6) / 1e6;
  if (exact === 0 || exact === 1 || (exact >= 0.005 && exact < 0.995)) {
    return `${(100 * exact).toFixed(0)}%`;
  }
  return `${(100 * Math.min(Math.max(exact, 0.001), 0.999)).toFixed(1)}%`;
}

/** Seconds as a clock shows them: `0:04.2`, `1:02:03.0`. */
export function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const [hours, minutes] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60];
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** A length of time in words: `4.2 seconds`, `10 minutes`. */
export function duration(seconds) {
  if (seconds < 120) return counted(Number(seconds.toFixed(1)), "second");
  return counted(Math.round(seconds / 60), "minute");
}

/** Bytes as the service says them: `256 MiB`. */
export function size(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), 3);
  return `${Number((bytes / 1024 ** power).toPrecision(4))} ${units[power]}`;
}

/** `1 class`, `12 classes`. */
export function counted(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}
