package firstboot

import (
	"context"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
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
	message := motd.Message{Name: app.Name, Version: app.Version, URL: f.URL()}
	if stands.BootComplete {
		message.Text = f.Redact.Redact(text)
	}
	put(f.Host, message, stands)
}

// ShowWithout renders the message of the day where the manifest, or what else a setup is made from, cannot be read.
func ShowWithout(h *host.Host, cause error) {
	stands, err := status.ReadWithout(h, cause)
	if err != nil {
		h.Report("warning: " + err.Error())
		return
	}
	put(h, motd.Message{}, stands)
}

// put puts a message where logins find it. Of a setup that is simply done there is nothing to say.
func put(h *host.Host, message motd.Message, stands status.Status) {
	if stands.State != status.Done {
		message.Lines = stands.Says
	}
	message.Complete = stands.BootComplete
	if err := motd.Write(h.Files, message); err != nil {
		h.Report("warning: " + err.Error())
	}
}
