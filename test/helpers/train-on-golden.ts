import {join} from 'node:path'
import {runCli, type CliResult} from './cli.js'
import {golden} from './golden.js'

/** `train` of the golden weights on a golden data root, without dropout. */
export async function trainOnGolden(
  dataRoot: string,
  output: string | undefined,
  more: readonly string[],
): Promise<CliResult> {
  const model = [
    '--config',
    join(golden, 'config.json'),
    '--from-pretrained',
    join(golden, 'weights.pdparams'),
  ]
  const where = ['--data-root', dataRoot, ...(output === undefined ? [] : ['--output-dir', output])]
  const settings = ['--batch-size', '8', '--dropout', '0', '--decay-epochs', '12,16']
  return runCli(['train', ...where, ...model, ...settings, ...more], {timeoutMs: 100_000})
}
