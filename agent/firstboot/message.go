package firstboot

import (
	"context"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/motd"
	"oneclick-agent/agent/status"
)

// showMessage renders the message of the day from what is recorded. That it cannot be written never stops a setup.
func showMessage(f *facts.Facts) {
	stands, err := status.Read(f.Host, f)
	if err != nil {
		f.Host.Report("warning: " + err.Error())
		return
	}
	text, err := f.Filling(context.Background()).Text(f.Manifest.MOTD)
	if err != nil {
		text = "" // what it names is not known yet
	}
	app := f.Manifest.App
	message := motd.Message{Name: app.Name, Version: app.Version, URL: f.URL(), Lines: stands.Sentences(), Complete: stands.BootComplete}
	if stands.BootComplete {
		message.Text = f.Redact.Redact(text)
	}
	if err := motd.Write(f.Host.Files, message); err != nil {
		f.Host.Report("warning: " + err.Error())
	}
}
