// Choices in the address that are stored for the next visit. Once the page is open, only the address counts.

import * as address from "./address.js";
import { settings } from "./settings.js";

/** Sets these parameters to the stored choices, unless the address has one of them. */
export function restore(name, parameters) {
  if (parameters.some((parameter) => address.get(parameter) != null)) return;
  const choices = settings.get(name, {});
  const stored = parameters.filter((parameter) => typeof choices?.[parameter] === "string");
  address.set(Object.fromEntries(stored.map((parameter) => [parameter, choices[parameter]])), { step: false });
}

/** Stores the current values of these parameters. */
export function remember(name, parameters) {
  const choices = parameters.map((parameter) => [parameter, address.get(parameter)]).filter(([, value]) => value != null);
  settings.set(name, choices.length ? Object.fromEntries(choices) : null);
}
