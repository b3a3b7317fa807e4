import type {Check} from './doctor.js'
import type {PythonReport} from './python-report.js'

/** Whether graphs can be exported for Paddle Inference: what is fast where there are no kernels. */
export function exportedCheck({unfitBecause, hasBfloat16}: NonNullable<PythonReport['exported']>): Check {
  const formats = hasBfloat16 ? 'fp32 and bf16' : 'fp32; this processor has no bf16'
  const value = unfitBecause === null ? `can be used, ${formats}` : `cannot be used: ${unfitBecause}`
  return {name: 'exported engine', ok: true, required: false, value, advice: null}
}
