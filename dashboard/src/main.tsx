import "./styles/base.css";
import "./styles/controls.css";
import "./styles/keys.css";
import "./styles/json.css";
import "./styles/views.css";
import { render } from "preact";
import { openProject } from "./account/project.ts";
import { loadConfig } from "./config.ts";
import { signInWith, storedKey } from "./session.ts";
import { keepFocus } from "./ui/focus.ts";
import { applyTheme } from "./ui/theme.ts";
import { App } from "./views/app.tsx";
import { followHash } from "./views/route.ts";

applyTheme();
keepFocus();
// A magic link comes back with its tokens in the fragment, where the views have theirs.
openProject();
followHash();
const apiKey = storedKey();
if (apiKey) void signInWith(apiKey);
void loadConfig();
render(<App />, document.getElementById("app") as HTMLElement);
