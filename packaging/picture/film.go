package main

import (
	"fmt"
	"strings"
	"time"

	"oneclick-agent/packaging/terminal"
)

const (
	// sharpest is how long a picture of the film stands at least: what is drawn in between is one change.
	sharpest = 70 * time.Millisecond
	// longest is how long one stands at most, but for the last.
	longest = 1800 * time.Millisecond
	lasting = 5 * time.Second
)

// still is one picture of a film, and how long it stands.
type still struct {
	screen terminal.Screen
	stands time.Duration
}

// film is what happened on a terminal after a part of what was written, as a picture that moves. Somebody who does not
// want movement sees its end.
func film(title, alternative string, s *terminal.Session, from int) string {
	stills := stillsOf(s, from)
	var whole time.Duration
	for _, one := range stills {
		whole += one.stands
	}
	height := rows * row
	var keys, strip, lines strings.Builder
	known := map[string]int{}
	at := time.Duration(0)
	for i, one := range stills {
		fmt.Fprintf(&keys, "%.2f%%{transform:translateY(-%.0fpx)}", 100*at.Seconds()/whole.Seconds(), float64(i)*height)
		at += one.stands
		for y, line := range one.screen.Lines {
			drawn := drawLine(line, 0, 0)
			if drawn == "" {
				continue
			}
			n, there := known[drawn]
			if !there {
				n = len(known)
				known[drawn] = n
				fmt.Fprintf(&lines, "<g id=\"l%d\">%s</g>\n", n, strings.TrimSpace(drawn))
			}
			fmt.Fprintf(&strip, `<use xlink:href="#l%d" y="%.0f"/>`, n, float64(i)*height+float64(y)*row)
		}
		strip.WriteByte('\n')
	}
	last := float64(len(stills)-1) * height
	style := fmt.Sprintf(
		".s{animation:film %.2fs step-end infinite}@keyframes "+
			"film{%s}@media(prefers-reduced-motion){.s{animation:none;transform:translateY(-%.0fpx)}}",
		whole.Seconds(),
		keys.String(),
		last,
	)
	var b strings.Builder
	begin(&b, title, alternative, columns, rows, style)
	fmt.Fprintf(
		&b,
		"<defs>\n%s</defs>\n<svg x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\">\n<g class=\"s\">\n%s</g>\n</svg>\n</svg>\n",
		lines.String(),
		side,
		bar,
		columns*column,
		height,
		strip.String(),
	)
	return b.String()
}

// stillsOf are the screens that differ, each with how long it stood.
func stillsOf(s *terminal.Session, from int) (stills []still) {
	text, frames := s.Text(), s.Frames()
	shown := ""
	for i, frame := range frames {
		if frame.Length < from {
			continue
		}
		stands := lasting
		if i+1 < len(frames) {
			stands = frames[i+1].After - frame.After
		}
		if stands < sharpest && len(stills) > 0 && i+1 < len(frames) {
			stills[len(stills)-1].stands += stands
			continue
		}
		screen := terminal.Draw(text[:frame.Length], columns, rows)
		now := screen.Marked()
		if now == shown && len(stills) > 0 {
			stills[len(stills)-1].stands += stands
			continue
		}
		shown = now
		stills = append(stills, still{screen, stands})
	}
	for i := range stills[:len(stills)-1] {
		stills[i].stands = min(stills[i].stands, longest)
	}
	return stills
}
