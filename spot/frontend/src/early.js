// Runs before anything is painted, so that a chosen theme is there from the first frame. A classic script, in <head>.

import { wear } from "./looks.js";
import { Settings } from "./settings.js";

wear(new Settings());
