package starter

import (
	"encoding/json"
	"strings"
	"text/template"
)

// quoting puts a name into each kind of file so that it is only a name there.
var quoting = template.FuncMap{
	"yaml":     quoteJSON, // which is YAML, too
	"json":     quoteJSON,
	"hcl":      quoteHCL,
	"markdown": quoteMarkdown,
	"php":      quotePHP,
	"html":     template.HTMLEscapeString,
	"systemd":  func(text string) string { return strings.NewReplacer("%", "%%", `\`, `\\`).Replace(text) },
}

func quoteJSON(text string) (string, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(text)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// quoteHCL is JSON's form, in which HCL takes ${ and %{ for the beginning of a template.
func quoteHCL(text string) (string, error) {
	quoted, err := quoteJSON(text)
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(quoted), err
}

func quoteMarkdown(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune("\\`*_{}[]()#+!|<>&", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func quotePHP(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
