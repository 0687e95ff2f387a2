// Creating elements. Strings become text nodes: no module of the front end parses markup.

const SVG = "http://www.w3.org/2000/svg";

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** An element: `el("a", { class: "coin", href: "/", onclick: go }, "text", child)`. */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** Sets text only when it differs, to avoid a layout. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (value == null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** A <select> with its label before it. Options are [value, text] pairs. */
export function select(label, options, value, onchange, name = label) {
  const choice = el("select", { "aria-label": name, onchange: () => onchange(choice.value) });
  for (const [key, text] of options) choice.append(el("option", { value: key, selected: key === value }, text));
  return el("label", { class: "field" }, el("span", { class: "field-label", "aria-hidden": "true" }, label), choice);
}

/** Buttons of which one is pressed. Options are [value, text] pairs; returns the group, with `choose(value)`. */
export function choice(label, options, value, onchange) {
  const group = el("div", { class: "choice", role: "group", "aria-label": label });
  group.choose = (chosen) => {
    for (const button of group.children) button.setAttribute("aria-pressed", String(button.value === chosen));
  };
  for (const [key, text] of options) {
    const pick = () => {
      group.choose(key);
      onchange(key);
    };
    group.append(el("button", { type: "button", value: key, onclick: pick }, text));
  }
  group.choose(value);
  return group;
}
