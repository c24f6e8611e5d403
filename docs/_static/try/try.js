// The view of amsim explore on this site: recalls run in the browser, not in Python.
import { mount } from "./explore.js";

const root = document.getElementById("explore");
const here = (name) => new URL(name, import.meta.url);
const worker = new Worker(here("worker.js"), { type: "module" });

const described = await (await fetch(here("described.json"))).json();

// The view asks one question at a time.
async function answer(question) {
  const found = await new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = () => reject(new Error("the recall could not be run in this browser"));
    worker.postMessage({ described, question });
  });
  if (found.error) throw new Error(found.error);
  return found;
}

const link = (state) => `${location.href.split("#")[0]}#${new URLSearchParams({ state })}`;
const state = () => new URLSearchParams(location.hash.slice(1)).get("state");
const view = mount(root, { described, answer, link, state: state() });
addEventListener("hashchange", () => view.open(state()));
