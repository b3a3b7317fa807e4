import type {Estimate} from '../estimate.js'

/** A share as per cent: 72.71 %. */
export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`
}

/** The bounds of an interval: 71.9–73.5 %; a dash where there are none. */
export function interval({low, high}: Pick<Estimate, 'low' | 'high'>, digits = 1): string {
  return low === null || high === null
    ? '–'
    : `${(100 * low).toFixed(digits)} – ${(100 * high).toFixed(digits)} %`
}

/** A whole number with thin spaces between thousands. */
export function whole(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, '\u202F')
}

/** A difference of shares in percentage points, with its sign. */
export function points(difference: number, digits = 2): string {
  const sign = difference > 0 ? '+' : difference < 0 ? '−' : '±'
  return `${sign}${Math.abs(100 * difference).toFixed(digits)}`
}

/** A probability: 0.034, or < 0.0001. */
export function probability(p: number): string {
  return p < 0.0001 ? '< 0.0001' : p.toFixed(4)
}
