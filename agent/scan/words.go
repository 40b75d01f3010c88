package scan

// wordLists are what packaging/rules/words.toml has, where each list says what it is for.
type wordLists struct {
	DefaultPasswords []string `json:"default_passwords"`
	PlaceholderHeads []string `json:"placeholder_heads"`
	PlaceholderParts []string `json:"placeholder_parts"`
	PasswordEnds     []string `json:"password_ends"`
	PasswordWords    []string `json:"password_words"`
	TokenEnds        []string `json:"token_ends"`
	TokenWords       []string `json:"token_words"`
	KeyOf            []string `json:"key_of"`
	SaltOf           []string `json:"salt_of"`
	Qualifiers       []string `json:"qualifiers"`
	Harmless         []string `json:"harmless"`
	SentenceWords    []string `json:"sentence_words"`
	Libraries        []string `json:"libraries"`
	Documents        []string `json:"documents"`
	ProseEnds        []string `json:"prose_ends"`
	CodeEnds         []string `json:"code_ends"`
	SettingsWords    []string `json:"settings_words"`
	SettingsEnds     []string `json:"settings_ends"`
	SettingLiterals  []string `json:"setting_literals"`
	Directives       []string `json:"directives"`
	ContainerEngines []string `json:"container_engines"`
	PlaceholderWords []string `json:"placeholder_words"`
}
