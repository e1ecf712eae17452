/**
 * Keyboards: their keys by name, and which key types which character on each layout.
 *
 * The page and `vncproxy type` and `key` go by it: what follows the name is plain JSON, which
 * vncproxy/commands/keyboard.py reads.
 *
 * rows: the keys of the layouts' rows, in their order, by the codes of UI Events.
 * layouts: what Linux and Windows have in common, and where they differ, both; characters by level and
 * row. A space is a key without one, or with one that isn't to be relied on. same: as that layout.
 * dead: [code, level] by the combining character; beforeSpace: characters that are dead on Windows;
 * shiftLock: Caps Lock there turns digits and signs around, too, on Windows.
 * Sources: xkb-data ("us", "gb", "de", "fr", "es", "jp"), Microsoft's keyboard layouts of the same countries.
 * dead: keysyms of dead keys, by the combining characters of Unicode. alone: what they and a space make,
 * where it is the same on all systems. vowels: what they may stand before.
 * keys: [keysym, code] by name; the code lets QEMU's extended key events name the physical key. Plus is
 * the keypad's: the other one is on a different key in each layout. Source: X11 keysymdef.h.
 * signs: by the key that has them on a US keyboard, where they need no Shift.
 * written: what is understood when somebody writes a combination, in small letters; mostKeys: of one.
 */
export const KEYBOARDS = {
  "rows": [
    ["Backquote", "Digit1", "Digit2", "Digit3", "Digit4", "Digit5", "Digit6", "Digit7", "Digit8", "Digit9", "Digit0", "Minus", "Equal"],
    ["KeyQ", "KeyW", "KeyE", "KeyR", "KeyT", "KeyY", "KeyU", "KeyI", "KeyO", "KeyP", "BracketLeft", "BracketRight"],
    ["KeyA", "KeyS", "KeyD", "KeyF", "KeyG", "KeyH", "KeyJ", "KeyK", "KeyL", "Semicolon", "Quote", "Backslash"],
    ["IntlBackslash", "KeyZ", "KeyX", "KeyC", "KeyV", "KeyB", "KeyN", "KeyM", "Comma", "Period", "Slash"],
    ["IntlYen", "IntlRo"]
  ],
  "layouts": {
    "us": {
      "plain": ["`1234567890-=", "qwertyuiop[]", "asdfghjkl;'\\", " zxcvbnm,./", "  "],
      "shift": ["~!@#$%^&*()_+", "QWERTYUIOP{}", "ASDFGHJKL:\"|", " ZXCVBNM<>?", "  "]
    },
    "uk": {
      "plain": ["`1234567890-=", "qwertyuiop[]", "asdfghjkl;'#", "\\zxcvbnm,./", "  "],
      "shift": ["¬!\"£$%^&*()_+", "QWERTYUIOP{}", "ASDFGHJKL:@~", "|ZXCVBNM<>?", "  "],
      "altGr": ["    €        "]
    },
    "de": {
      "plain": [" 1234567890ß ", "qwertzuiopü+", "asdfghjklöä#", "<yxcvbnm,.-", "  "],
      "shift": ["°!\"§$%&/()=? ", "QWERTZUIOPÜ*", "ASDFGHJKLÖÄ'", ">YXCVBNM;:_", "  "],
      "altGr": ["  ²³   {[]}\\ ", "@ €        ~", "            ", "|      µ   ", "  "],
      "dead": {"\u0302": ["Backquote", "plain"], "\u0301": ["Equal", "plain"], "\u0300": ["Equal", "shift"]},
      "shiftLock": true
    },
    "fr": {
      "plain": ["²&é\"'(-è_çà)=", "azertyuiop $", "qsdfghjklmù*", "<wxcvbn,;:!", "  "],
      "shift": [" 1234567890°+", "AZERTYUIOP £", "QSDFGHJKLM%µ", ">WXCVBN?./§", "  "],
      "altGr": ["  ~#{[|`\\^@]}", "  €        ¤", "            ", "           ", "  "],
      "dead": {"\u0302": ["BracketLeft", "plain"], "\u0308": ["BracketLeft", "shift"]},
      "beforeSpace": "~`",
      "shiftLock": true
    },
    "es": {
      "plain": ["º1234567890'¡", "qwertyuiop +", "asdfghjklñ ç", "<zxcvbnm,.-", "  "],
      "shift": ["ª!\"·$%&/()=?¿", "QWERTYUIOP *", "ASDFGHJKLÑ Ç", ">ZXCVBNM;:_", "  "],
      "altGr": ["\\|@#~ ¬      ", "  €       []", "          {}", "           ", "  "],
      "dead": {
        "\u0300": ["BracketLeft", "plain"],
        "\u0302": ["BracketLeft", "shift"],
        "\u0301": ["Quote", "plain"],
        "\u0308": ["Quote", "shift"]
      },
      "beforeSpace": "~"
    },
    "jp": {
      "plain": [" 1234567890-^", "qwertyuiop@[", "asdfghjkl;:]", " zxcvbnm,./", " \\"],
      "shift": [" !\"#$%&'() =~", "QWERTYUIOP`{", "ASDFGHJKL+*}", " ZXCVBNM<>?", "|_"]
    },
    "cn": { "same": "us" }
  },
  "dead": { "\u0300": "0xfe50", "\u0301": "0xfe51", "\u0302": "0xfe52", "\u0308": "0xfe57" },
  "alone": {"\u0300": "`", "\u0302": "^"},
  "vowels": "aeiouAEIOU",
  "keys": {
    "Control": ["0xffe3", "ControlLeft"],
    "Alt": ["0xffe9", "AltLeft"],
    "Shift": ["0xffe1", "ShiftLeft"],
    "AltGr": ["0xfe03", "AltRight"],
    "Super": ["0xffeb", "MetaLeft"],
    "Escape": ["0xff1b", "Escape"],
    "Tab": ["0xff09", "Tab"],
    "Return": ["0xff0d", "Enter"],
    "Backspace": ["0xff08", "Backspace"],
    "Delete": ["0xffff", "Delete"],
    "Insert": ["0xff63", "Insert"],
    "PrintScreen": ["0xff61", "PrintScreen"],
    "SysRq": ["0xff15", "PrintScreen"],
    "Pause": ["0xff13", "Pause"],
    "CapsLock": ["0xffe5", "CapsLock"],
    "Home": ["0xff50", "Home"],
    "Left": ["0xff51", "ArrowLeft"],
    "Up": ["0xff52", "ArrowUp"],
    "Right": ["0xff53", "ArrowRight"],
    "Down": ["0xff54", "ArrowDown"],
    "PageUp": ["0xff55", "PageUp"],
    "PageDown": ["0xff56", "PageDown"],
    "End": ["0xff57", "End"],
    "Menu": ["0xff67", "ContextMenu"],
    "Plus": ["0xffab", "NumpadAdd"],
    "F1": ["0xffbe", "F1"],
    "F2": ["0xffbf", "F2"],
    "F3": ["0xffc0", "F3"],
    "F4": ["0xffc1", "F4"],
    "F5": ["0xffc2", "F5"],
    "F6": ["0xffc3", "F6"],
    "F7": ["0xffc4", "F7"],
    "F8": ["0xffc5", "F8"],
    "F9": ["0xffc6", "F9"],
    "F10": ["0xffc7", "F10"],
    "F11": ["0xffc8", "F11"],
    "F12": ["0xffc9", "F12"]
  },
  "signs": {
    "`": "Backquote", "-": "Minus", "=": "Equal", "[": "BracketLeft", "]": "BracketRight",
    "\\": "Backslash", ";": "Semicolon", "'": "Quote", ",": "Comma", ".": "Period", "/": "Slash",
    " ": "Space"
  },
  "written": {
    "ctrl": "Control", "control": "Control", "strg": "Control", "alt": "Alt", "option": "Alt",
    "altgr": "AltGr", "shift": "Shift", "win": "Super", "windows": "Super", "super": "Super",
    "meta": "Super", "cmd": "Super", "esc": "Escape", "escape": "Escape", "enter": "Return",
    "return": "Return", "tab": "Tab", "backspace": "Backspace", "del": "Delete", "delete": "Delete",
    "ins": "Insert", "insert": "Insert", "print": "PrintScreen", "printscreen": "PrintScreen",
    "sysrq": "SysRq", "pause": "Pause", "break": "Pause", "home": "Home", "end": "End", "pgup": "PageUp",
    "pageup": "PageUp", "pgdn": "PageDown", "pagedown": "PageDown", "left": "Left", "right": "Right",
    "up": "Up", "down": "Down", "menu": "Menu", "capslock": "CapsLock", "space": " ", "←": "Left",
    "→": "Right", "↑": "Up", "↓": "Down", "plus": "Plus"
  },
  "mostKeys": 5
};
