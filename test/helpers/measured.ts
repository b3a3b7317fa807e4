import {execa} from 'execa'
import {cliFile} from './cli.js'

export type Measured = {readonly seconds: number; readonly peakMb: number}

/** Runs the command line, which must succeed without Python, with the measuring done from outside. */
export async function measured(args: readonly string[]): Promise<Measured> {
  const startedMs = performance.now()
  const program = `process.on('exit', () => process.stderr.write('peak ' + process.resourceUsage().maxRSS))`
  const {stderr} = await execa(
    process.execPath,
    ['--import', `data:text/javascript,${program}`, cliFile, ...args],
    {
      env: {NODE_ENV: '', VILBERT_TS_PYTHON: '/bin/false'},
    },
  )
  const seconds = (performance.now() - startedMs) / 1000
  return {seconds, peakMb: Number(/peak (\d+)/.exec(stderr)?.[1] ?? NaN) / 1024}
}
