#!/usr/bin/env node
// Help must come at once, so this file loads no more than it needs, and the rest when it is used.
import {ignoreClosedPipe, showRootHelp} from './root-help.js'

process.stderr.on('error', ignoreClosedPipe)
const typed = process.argv.slice(2)
const wantsCommands = typed.length === 0 || (typed.length === 1 && /^(--)?help$/.test(typed[0] ?? ''))
if (!wantsCommands || !showRootHelp()) {
  const {runCommandLine} = await import('./command-line.js')
  await runCommandLine(typed)
}
