// The page at /status/.
import "./shell/preferences.js";
import "./status/status.js";
import { leadBack } from "./page/way_back.js";

leadBack();
