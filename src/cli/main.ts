#!/usr/bin/env node
/** The program `heptagen`. */
import { run } from "./program.ts";

process.exitCode = await run(process.argv.slice(2));
