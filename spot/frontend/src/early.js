// Runs before anything is painted, so that a chosen theme is there from the first frame. A classic script, in <head>.

import { wear } from "./page/looks.js";
import { Settings } from "./page/settings.js";

wear(new Settings());
