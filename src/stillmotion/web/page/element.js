// Elements, made in one expression.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element with children. Words are never read as HTML.
 * @param {string} tag
 * @param {object} attributes functions listen (`onclick`), names with two dashes are properties
 *   of its style, booleans are there or not, and the rest is set as it is.
 */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** The element of this name in the page. */
export const byId = (id) => document.getElementById(id);

/** Plays a picture that moves for its own sake, unless less motion is asked for. */
export function enliven(video) {
  video.muted = true;
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) video.currentTime = 0;
  else video.play().catch(() => {}); // refused, or another came in its place: it stands still
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) element.style.setProperty(name, value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
