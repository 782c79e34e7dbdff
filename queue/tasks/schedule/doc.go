// Package schedule runs methods at the ticks of cron schedules.
//
// A [Spec] says when: five fields of cron, @daily and the like, or @every, in a
// time zone. A [Book] changes the schedules that are kept in the queue. A [Loop]
// runs in every tasks process; it asks about once a second what is due and
// submits a job for each tick.
//
// What holds however many loops run and whenever they die: the job of a tick has
// an id that follows from the schedule and the tick, so a tick has one job at
// most while that job is kept; and a schedule moves past a tick only after its
// job was accepted, or after the tick was noted as missed or refused, so no tick
// is lost.
package schedule
