package step

import (
	"errors"
	"testing"

	"oneclick-agent/agent/host"
)

var (
	active = host.UnitState{Load: "loaded", Active: "active", Result: "success", Condition: true, AtBoot: "enabled"}
	idle   = host.UnitState{Load: "loaded", Active: "inactive", Result: "success", Condition: true, AtBoot: "disabled"}
	failed = host.UnitState{Load: "loaded", Active: "failed", Result: "exit-code", Condition: true, AtBoot: "enabled"}
	gated  = host.UnitState{Load: "loaded", Active: "inactive", Result: "success", AtBoot: "enabled"}
)

func TestWhetherAUnitIsAsItShouldBe(t *testing.T) {
	t.Parallel()
	masked, static := idle, idle
	masked.AtBoot, static.AtBoot = "masked", "static"
	for _, test := range []struct {
		do    []host.Verb
		state host.UnitState
		want  State
	}{
		{[]host.Verb{host.Enable}, active, Met},
		{[]host.Verb{host.Enable}, static, Met},
		{[]host.Verb{host.Enable}, idle, Unmet},
		{[]host.Verb{host.Enable}, masked, Unmet},
		{[]host.Verb{host.Disable}, idle, Met},
		{[]host.Verb{host.Disable}, active, Unmet},
		{[]host.Verb{host.Mask}, masked, Met},
		{[]host.Verb{host.Mask}, idle, Unmet},
		{[]host.Verb{host.Start}, active, Met},
		{[]host.Verb{host.Start}, idle, Unmet},
		{[]host.Verb{host.Stop}, idle, Met},
		{[]host.Verb{host.Stop}, failed, Met},
		{[]host.Verb{host.Stop}, active, Unmet},
		{[]host.Verb{host.Disable, host.Stop}, failed, Unmet},
		{[]host.Verb{host.Enable, host.Start}, active, Met},
		{[]host.Verb{host.Enable, host.Start}, failed, Unmet},
		{[]host.Verb{host.Enable, host.Restart}, active, Unknowable},
		{[]host.Verb{host.ReloadUnit}, active, Unknowable},
	} {
		h, _ := tree(t, nil)
		systemd := &units{states: map[string]host.UnitState{"app.service": test.state}}
		h.Units = systemd
		if got, err := (&Service{Unit: "app.service", Do: test.do}).Check(t.Context(), h); got != test.want || err != nil {
			t.Errorf("%v of %+v: %v, %v; want %v", test.do, test.state, got, err, test.want)
		}
		if len(systemd.did) > 0 {
			t.Errorf("a check did %v", systemd.did)
		}
	}
}

func TestAServiceStepDoesItsVerbsInOrderAndTellsHowTheUnitIs(t *testing.T) {
	t.Parallel()
	starting := host.UnitState{Load: "loaded", Active: "activating", Result: "success", Condition: true}
	for _, test := range []struct {
		do        []host.Verb
		state     host.UnitState
		did, want string
	}{
		{[]host.Verb{host.Enable, host.Restart}, active, "enable app.service, restart app.service", ""},
		{[]host.Verb{host.Stop, host.Mask}, idle, "stop app.service, mask app.service", ""},
		{[]host.Verb{host.Start}, idle, "start app.service", ""}, // a unit that did its work and ended
		{[]host.Verb{host.Start}, gated, "start app.service",
			"cannot start app.service: a condition of its unit is not met; see: systemctl status app.service"},
		{[]host.Verb{host.Start}, failed, "start app.service",
			"cannot start app.service: it is failed (exit-code); see: journalctl -u app.service"},
		{[]host.Verb{host.Restart}, starting, "restart app.service",
			"cannot start app.service: it is activating (success); see: journalctl -u app.service"},
		{[]host.Verb{host.Disable, host.Stop}, failed, "disable app.service, stop app.service", ""},
	} {
		h, _ := tree(t, nil)
		systemd := &units{states: map[string]host.UnitState{"app.service": test.state}}
		h.Units = systemd
		err := (&Service{Unit: "app.service", Do: test.do}).Apply(t.Context(), h)
		if test.want != "" {
			says(t, err, test.want)
		} else if err != nil {
			t.Error(err)
		}
		if systemd.list() != test.did {
			t.Errorf("did %s; want %s", systemd.list(), test.did)
		}
		if h.Files.Exists(GateFile("app.service")) {
			t.Error("the gate of a unit without one was opened")
		}
	}
}

func TestAVerbThatFailsIsTheLast(t *testing.T) {
	t.Parallel()
	h, _ := tree(t, nil)
	systemd := &units{fails: "enable app.service"}
	h.Units = systemd
	says(t, (&Service{Unit: "app.service", Do: []host.Verb{host.Enable, host.Start}}).Apply(t.Context(), h), "the job failed")
	says(t, (&Service{Unit: "b.service", Do: []host.Verb{host.Enable, host.Start}}).Apply(t.Context(), h), "cannot ask about b.service")
	if got := systemd.list(); got != "enable app.service, enable b.service, start b.service" {
		t.Error(got)
	}
	if _, err := (&Service{Unit: "b.service", Do: []host.Verb{host.Start}}).Check(t.Context(), h); err == nil {
		t.Error("a check that cannot ask finds something")
	}
}

func TestOfASystemThatDoesNotRunOnlyTheNextBootIsSet(t *testing.T) {
	t.Parallel()
	const unit = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
	h, dir := tree(t, map[string]string{"usr/lib/systemd/system/app.service": unit})
	applied(t, h, &Service{Unit: "app.service", Do: []host.Verb{host.Enable, host.Start}})
	if got, err := h.Files.Readlink("/etc/systemd/system/multi-user.target.wants/app.service"); got != "/usr/lib/systemd/system/app.service" {
		t.Errorf("%s: %q, %v", dir, got, err)
	}
	must(t, (&Refresh{[]string{"app.service"}}).Apply(t.Context(), h))
	applied(t, h, &Service{Unit: "app.service", Do: []host.Verb{host.Mask}})
}

func TestARefreshRestartsWhatRuns(t *testing.T) {
	t.Parallel()
	h, _ := tree(t, nil)
	systemd := &units{fails: "try-restart b.service"}
	h.Units = systemd
	refresh := &Refresh{[]string{"a.service", "b.service", "c.service"}}
	finds(t, h, refresh, Unknowable)
	says(t, refresh.Apply(t.Context(), h), "the job failed")
	systemd.did, systemd.fails = nil, ""
	must(t, refresh.Apply(t.Context(), h))
	if got := systemd.list(); got != "try-restart a.service, try-restart b.service, try-restart c.service" {
		t.Error(got)
	}
}

func TestAGateOpensAndStartsWhatABootWouldHaveStarted(t *testing.T) {
	t.Parallel()
	h, _ := tree(t, nil)
	generated := active
	generated.AtBoot = "generated"
	systemd := &units{states: map[string]host.UnitState{"a.service": active, "b.service": idle, "c.service": generated}}
	h.Units = systemd
	gate := &Gate{[]string{"a.service", "b.service", "c.service"}}
	applied(t, h, gate)
	if got := systemd.list(); got != "start a.service, start c.service" { // once, whatever is applied again
		t.Error(got)
	}
}

func TestAGateOpensForAllAlthoughOneDoesNotStart(t *testing.T) {
	t.Parallel()
	h, _ := tree(t, nil)
	systemd := &units{states: map[string]host.UnitState{"a.service": failed, "b.service": active}, fails: "start a.service"}
	h.Units = systemd
	gate := &Gate{[]string{"a.service", "b.service"}}
	if err := gate.Apply(t.Context(), h); !errors.Is(err, errUnit) || err.Error() != "the job failed" {
		t.Error(err)
	}
	if got := systemd.list(); got != "start a.service, start b.service" {
		t.Error(got)
	}
	finds(t, h, gate, Met)
	says(t, (&Gate{[]string{"nobody.service"}}).Apply(t.Context(), h), "cannot ask about nobody.service")
}

func TestAGatedUnitIsLetThroughBeforeItIsStarted(t *testing.T) {
	t.Parallel()
	h, _ := tree(t, nil)
	systemd := &units{states: map[string]host.UnitState{"app.service": active}}
	h.Units = systemd
	must(t, (&Service{Unit: "app.service", Do: []host.Verb{host.Enable}, Gated: true}).Apply(t.Context(), h))
	if h.Files.Exists("/var/lib/oneclick/gate/app.service") {
		t.Error("to enable it opened the gate")
	}
	must(t, (&Service{Unit: "app.service", Do: []host.Verb{host.Restart}, Gated: true}).Apply(t.Context(), h))
	if !h.Files.Exists("/var/lib/oneclick/gate/app.service") {
		t.Error("the gate is closed")
	}
}
