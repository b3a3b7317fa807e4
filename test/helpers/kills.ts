import {existsSync} from 'node:fs'
import {rm} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import type {ExecutionContext} from 'ava'
import {packageRoot} from '../../src/paths.js'
import {finished, startProgram} from './cli.js'
import {firstLine} from './faults-server.js'
import {temporaryFolder} from './folders.js'
import {seededRandom} from './python.js'

const program = join(packageRoot, 'dist', 'test', 'helpers', 'download-program.js')

export type KillPlan = {
  readonly kills: number
  readonly seed: number
  /** A little longer than the work takes, so that the kills fall on every moment of it. */
  readonly spanMs: number
  readonly source: Readonly<Record<string, unknown>>
  /** Checks what has a final name: it must be right at every moment. */
  readonly check: (dataRoot: string) => void
}

/** Kills downloads of a source at random moments, each time continuing what the last one left, and then lets one end. */
export async function killAndResume(t: ExecutionContext, plan: KillPlan): Promise<void> {
  const random = seededRandom(plan.seed)
  let dataRoot = await temporaryFolder(t)
  for (let kills = 0; kills < plan.kills; kills++) {
    const child = startProgram(program, [dataRoot, JSON.stringify(plan.source)])
    await firstLine(child.stdout)
    await delay(random() * plan.spanMs)
    child.kill('SIGKILL')
    await finished(child)
    plan.check(dataRoot)
    if (!existsSync(join(dataRoot, firstProvided(plan)))) continue
    await rm(dataRoot, {recursive: true})
    dataRoot = await temporaryFolder(t)
  }
  const last = await finished(startProgram(program, [dataRoot, JSON.stringify(plan.source)]))
  t.is(last.exitCode, 0, last.stderr)
  t.true(existsSync(join(dataRoot, firstProvided(plan))))
  plan.check(dataRoot)
}

function firstProvided({source}: KillPlan): string {
  return (source['provides'] as readonly string[])[0] ?? ''
}
