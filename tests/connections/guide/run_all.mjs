// Runs the modules that standard input lists, one after the other; answers what each printed.
import { readFileSync } from "node:fs";

const outputs = {};
const log = console.log;
for (const [number, path, env] of JSON.parse(readFileSync(0, "utf8"))) {
  Object.assign(process.env, env);
  const said = [];
  console.log = (value) => said.push(typeof value === "string" ? value : JSON.stringify(value));
  try {
    await import(path);
    outputs[number] = said.join("\n");
  } catch (error) {
    outputs[number] = `FAILED ${error.stack}`;
  }
}
log(JSON.stringify(outputs));
