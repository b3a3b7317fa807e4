export const runProgresses = ['finished', 'interrupted', 'running', 'empty'] as const
/** How far a run is: it can be resumed while it is `interrupted`; `empty` has no state yet or any more. */
export type RunProgress = (typeof runProgresses)[number]
