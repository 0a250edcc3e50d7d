// The few ways in which the page makes elements.

export const $ = (id) => document.getElementById(id);

/** Make an element: attributes by name, `on*` as listeners, strings and nodes as children. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** One of the symbols in icons.svg. */
export function icon(name) {
  return svg("svg", { "aria-hidden": "true" }, svg("use", { href: `/dashboard/icons.svg#${name}` }));
}

/** Set an element's text only where it changed: screen readers and layout are left in peace. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}
