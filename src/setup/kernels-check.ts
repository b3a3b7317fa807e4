import {namedKernels} from '../kernels/folders.js'
import type {Check} from './doctor.js'
import type {PythonReport} from './python-report.js'

const buildAdvice =
  'To train and evaluate faster, run `vilbert-ts setup`, which builds them and says what it lacks. ' +
  'It needs make and g++ (Debian and Ubuntu: apt-get install build-essential).'
const nameAdvice = 'VILBERT_TS_KERNELS names this library: name another one or unset it.'

/** Whether the kernels are in use, and if not, why: they make it faster, and everything works without them. */
export function kernelsCheck(kernels: NonNullable<PythonReport['kernels']>): Check {
  const {library, unfitBecause, hasBfloat16} = kernels
  if (unfitBecause === null) {
    const formats = hasBfloat16 ? 'fp32 and bf16' : 'fp32; this processor has no bf16'
    return found(`in use, ${formats} (${library})`)
  }
  const value = `not in use, Paddle's own operators compute: ${unfitBecause}`
  if (library === null || !isForThisMachine() || unfitBecause.startsWith('Paddle computes on'))
    return found(value)
  return {...found(value), ok: false, advice: namedKernels() === undefined ? buildAdvice : nameAdvice}
}

function isForThisMachine(): boolean {
  return process.platform === 'linux' && process.arch === 'x64'
}

function found(value: string): Check {
  return {name: 'kernels', ok: true, required: false, value, advice: null}
}
