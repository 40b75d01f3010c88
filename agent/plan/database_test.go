package plan

import (
	"strings"
	"testing"

	"oneclick-agent/agent/manifest"
)

const mainBlock = "db_protocol=postgresql\ndb_host=db.example.com\ndb_port=25060\ndb_username=doadmin\ndb_password=hush\ndb_database=d\n"

const keystoreBlock = "keystore_protocol=rediss\nredis_host=kv.example.com\nredis_port=25061\nredis_username=default\nredis_password=hush\n"

// valkeyAlone is how the platform writes Valkey where nothing else was chosen.
const valkeyAlone = "db_protocol=valkey\ndb_host=kv.example.com\ndb_port=25061\ndb_username=default\ndb_password=hush\n"

// What the customer chose is what the app gets: the main database and the keystore are chosen apart.
func TestEveryChoiceOfDatabasesHasItsPlan(t *testing.T) {
	t.Parallel()
	const (
		both       = "engine: [postgresql, valkey], local: {name: app, password: key}, disable_local: [postgresql.service, redis-server.service]"
		managed    = "engine: [postgresql, valkey], managed: required"
		onlyValkey = "engine: valkey"
		noKeystore = "engine: postgresql, local: {name: app, password: key}"

		local    = "database local, "
		login    = "database login, "
		written  = "database environment, "
		keystore = "keystore login, "
		stopMain = "service postgresql.service disable stop, "
		stopKeys = "service redis-server.service disable stop, "
	)
	for _, test := range []struct{ database, credentials, want, data string }{
		{both, "", local + written, "postgresql localhost "},
		{both, mainBlock, written + login + stopMain, "postgresql db.example.com "},
		{both, mainBlock + keystoreBlock, written + login + keystore + stopMain + stopKeys, "postgresql db.example.com kv.example.com"},
		{both, keystoreBlock, local + keystore + written + stopKeys, "postgresql localhost kv.example.com"},
		{both, valkeyAlone, local + keystore + written + stopKeys, "postgresql localhost kv.example.com"},
		{"engine: [postgresql, valkey]", keystoreBlock, keystore + written, "postgresql  kv.example.com"},
		{onlyValkey, valkeyAlone, written + login, "valkey kv.example.com "},
		{onlyValkey, keystoreBlock, written + login, "valkey kv.example.com "},
		{noKeystore, mainBlock + keystoreBlock, written + login, "postgresql db.example.com "},
		{managed, keystoreBlock, "database credentials, ", "postgresql  kv.example.com"},
	} {
		files := map[string]string{}
		if test.credentials != "" {
			files["root/.digitalocean_dbaas_credentials"] = test.credentials
		}
		f := gather(t, "version: 1\napp: {name: App}\nsecrets: {key: {}}\ndatabase: {"+test.database+"}\n", files)
		got := ""
		for _, item := range Boot(f) {
			got += item.ID + ", "
		}
		data := f.Preview().Show(manifest.Template{Text: "{{ .database.engine }} {{ .database.host }} {{ .keystore.host }}"})
		data = strings.NewReplacer("[database host]", "", "[keystore host]", "").Replace(data)
		if got != test.want || strings.TrimSpace(data) != strings.TrimSpace(test.data) {
			t.Errorf("%s with\n%sgot  %s%s\nwant %s%s", test.database, test.credentials, got, data, test.want, test.data)
		}
	}
}
