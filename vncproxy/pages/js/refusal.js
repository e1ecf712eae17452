/** The page of a refusal: the daemon has written it, but for the choice of the language. */

import { byId } from "./elements.js";
import { languageSwitch } from "./languageswitch.js";

byId("actions").append(languageSwitch());
