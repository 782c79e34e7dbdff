// Package dashboard draws the page that operators watch: a line for every
// runner and one for every worker. It is given the facts and makes HTML of them,
// without a script and without knowing where they come from.
package dashboard
