import type {TrainingConfig} from '../config/training.js'
import {plannedSeconds, type TrainingPlan} from '../model/trials.js'
import {duration} from './progress.js'
import {table} from './table.js'

/** What a run would take, in words: its length, then a line for steps, time, memory and disk, then what lacks. */
export function planText(plan: TrainingPlan, training: TrainingConfig): string {
  const {device, engine} = plan
  const processes = plan.processes > 1 ? `, ${plan.processes} processes` : ''
  return [
    `This run would take about ${time(plannedSeconds(plan))} on ${device} (${engine}${processes}). Nothing of it was written.`,
    table([
      ['steps', stepsText(plan)],
      ['time', timeText(plan)],
      ['memory', memoryText(plan)],
      ['disk', diskText(plan)],
    ]),
    ...lacks(plan, training),
  ].join('\n')
}

function stepsText(plan: TrainingPlan): string {
  const {totalSteps, stepsPerEpoch, warmupSteps, trainExpressions, parameters, trainedParameters} = plan
  const warmup = warmupSteps > 0 ? `, the rate rises in the first ${warmupSteps}` : ''
  const sizes = `${trainExpressions} expressions, ${millions(trainedParameters)} of ${millions(parameters)} M parameters learn`
  return `${totalSteps}, ${stepsPerEpoch} an epoch${warmup}; ${sizes}`
}

function timeText({stepSeconds, validations, validationSeconds}: TrainingPlan): string {
  const {median, least, most, steps} = stepSeconds
  const step = `${figure(median)} s a step (${figure(least)} to ${figure(most)} in ${steps})`
  if (validationSeconds === null || validations === 0) return `${step}, no validation`
  return `${step}, ${time(validationSeconds)} a validation (${validations} of them); saving comes on top`
}

function memoryText({memory, processes}: TrainingPlan): string {
  const each = processes > 1 ? ' in each process' : ''
  const gpu = memory.gpuPeak === null ? '' : ` and ${gigabytes(memory.gpuPeak)} of the GPU`
  return `${gigabytes(memory.peak)}${each}${gpu}, the machine has ${gigabytes(memory.machine)}`
}

function diskText({disk}: TrainingPlan): string {
  const {state, atEnd, atMost, free} = disk
  return `${gigabytes(state)} a state, ${gigabytes(atMost)} at most, ${gigabytes(atEnd)} at the end; ${gigabytes(free)} are free`
}

function lacks(plan: TrainingPlan, {recompute, timeLimitMinutes}: TrainingConfig): string[] {
  const {memory, disk, processes} = plan
  const lines: string[] = []
  if (disk.atMost > disk.free)
    lines.push('The disk has too little room: choose another --output-dir or a lower --keep.')
  if (memory.peak * processes > 0.9 * memory.machine) {
    const first = recompute ? '' : '--recompute, '
    lines.push(
      `The machine hardly has the memory: use ${first}a smaller --batch-size or more --grad-accumulation.`,
    )
  }
  if (timeLimitMinutes !== null && plannedSeconds(plan) > 60 * timeLimitMinutes)
    lines.push(`--time-limit-minutes ${timeLimitMinutes} ends the run before its last step.`)
  return lines
}

function time(seconds: number): string {
  return seconds < 1 ? 'a second' : duration(1000 * seconds)
}

function gigabytes(count: number): string {
  return count < 1e9 ? `${Math.ceil(count / 1e6)} MB` : `${figure(count / 1e9)} GB`
}

function millions(count: number): string {
  return (count / 1e6).toFixed(1)
}

/** Three digits that count, whole numbers from 100 on. */
function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
