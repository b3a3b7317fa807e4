import {chmodSync, mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

/** Writes a program `name` into a folder that is put on PATH; the body is a shell script. */
export function writeProgram(folder: string, name: string, body: string): string {
  mkdirSync(folder, {recursive: true})
  const file = join(folder, name)
  writeFileSync(file, `#!/bin/sh\n${body}\n`)
  chmodSync(file, 0o755)
  return file
}

/** A program that answers the question about itself as a Python of some version would. */
export function writeFakePython(
  folder: string,
  name: string,
  facts: Readonly<Record<string, unknown>>,
): string {
  const file = join(folder, name)
  const answer = {
    executable: file,
    baseExecutable: file,
    version: '3.11.7',
    implementation: 'CPython',
    bits: 64,
    hasVenv: true,
    hasPaddle: false,
    ...facts,
  }
  return writeProgram(folder, name, `echo '${JSON.stringify(answer)}'`)
}
