// Choices that stand in the address and are kept for the next visit too. After the page has opened, the address decides.

import * as address from "./address.js";
import { settings } from "./settings.js";

/** Opens an address that says nothing of these parameters with what was chosen last. */
export function restore(name, parameters) {
  if (parameters.some((parameter) => address.get(parameter) != null)) return;
  const kept = settings.get(name, {});
  const known = parameters.filter((parameter) => typeof kept?.[parameter] === "string");
  address.set(Object.fromEntries(known.map((parameter) => [parameter, kept[parameter]])), { step: false });
}

/** Keeps what the address says of these parameters now. */
export function remember(name, parameters) {
  const said = parameters.map((parameter) => [parameter, address.get(parameter)]).filter(([, value]) => value != null);
  settings.set(name, said.length ? Object.fromEntries(said) : null);
}
