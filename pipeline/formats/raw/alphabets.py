"""Letters beyond ASCII that languages use, and the code pages they are written in.

For each language its frequent and its other letters. A letter that a language does not have speaks
against it; which code page wins is decided over all letters of a text, never by a single one.
"""

from __future__ import annotations

SIGNS = "°µ€£§²³±½¼¾–—’‘“”„‚…•™®©·×÷«»\u00a0\u00ad´¿¡ºª†‡‰≤≥"
"""Signs that text in any language holds."""

LATIN: dict[str, tuple[str, str]] = {
    "German": ("äöüß", "ÄÖÜé"),
    "French": ("éèàêç", "ôîâûùëïüœÉÈÀÇÊÔÎÂæÿ"),
    "Spanish": ("óíáñé", "úüÁÉÍÓÚÑçÜ"),
    "Portuguese": ("ãçáéóí", "êõâôúàÁÉÇÓÃÕÍÂÊÔÚÀü"),
    "Italian": ("àèìòùé", "ÀÈÉÌÒÙ"),
    "Swedish": ("åäö", "ÅÄÖéèüà"),
    "Danish and Norwegian": ("åøæ", "ÅØÆéöäüòóô"),
    "Finnish": ("äö", "ÄÖåÅšžéü"),
    "Icelandic": ("áéíóúýðþæö", "ÁÉÍÓÚÝÐÞÆÖ"),
    "Dutch": ("ëéïè", "öüáóíËÉÏç"),
    "Catalan": ("àèéíòóúçï", "üÀÈÉÍÒÓÚÇ"),
    "English": ("é", "èçïñöüàáóí"),
}

CENTRAL: dict[str, tuple[str, str]] = {
    "Polish": ("ąćęłńóśźż", "ĄĆĘŁŃÓŚŹŻ"),
    "Czech": ("áčěéířšýžůú", "ďňóťÁČĎÉĚÍŇÓŘŠŤÚŮÝŽ"),
    "Slovak": ("áäčéíľšťúýžô", "ďĺňóŕÁÄČĎÉÍĽŇÓŔŠŤÚÝŽ"),
    "Hungarian": ("áéöőüóíúű", "ÁÉÍÓÖŐÚÜŰ"),
    "Croatian and Slovene": ("čćšžđ", "ČĆŠŽĐ"),
    "Romanian": ("ăâîşţșț", "ĂÂÎŞŢȘȚ"),
    "German": ("äöüß", "ÄÖÜé"),
}

TURKISH = {"Turkish": ("ıişğüöç", "İŞĞÜÖÇâî")}
BALTIC = {
    "Lithuanian": ("ąčęėįšųūž", "ĄČĘĖĮŠŲŪŽ"),
    "Latvian": ("āčēģīķļņšūž", "ĀČĒĢĪĶĻŅŠŪŽ"),
    "Estonian": ("äõöü", "ÄÕÖÜšž"),
}
CYRILLIC = {
    "Russian": ("оеаинтсрвлкмдпу", "яыьгзбчйхжшюцщэфъёОЕАИНТСРВЛКМДПУЯЫЬГЗБЧЙХЖШЮЦЩЭФЪЁ№"),
    "Ukrainian": ("оаинівтрелкду", "мпзяьгбчхцюжйшїєщфґОАИНІВТРЕЛКДУМПЗЯГБЧХЦЮЖШЇЄЩФ№"),
    "Bulgarian": ("аеоинтсрвлкд", "мпузгъбчйцящхжшюфьАЕОИНТСРВЛКДМПУЗГЪБЧЦЯЩХЖШЮФ№"),
    "Serbian": ("аоиенрсјтукд", "впмлзгбњцчшћжхљђфџАОИЕНРСЈТУКДВПМЛЗГБЊЦЧШЋЖХЉЂФЏ"),
}
GREEK = {"Greek": ("αοιετνσςρηκπυ", "λμωάέίόήώύγδχθφβξζψϊΐϋΰΑΟΙΕΤΝΣΡΗΚΠΥΛΜΩΓΔΧΘΦΒΞΖΨΆΈΊΌΉΏΎ")}
HEBREW = {"Hebrew": ("יוהלאמרבתש", "נעדחקפכטגסםןצזךףץ")}
ARABIC = {"Arabic": ("المينرتبوةع", "دسفهكقحجشطصخذزءئأإؤآىضثظغ،؟")}
THAI = {
    "Thai": ("".join(map(chr, range(0x0E01, 0x0E3B))), "".join(map(chr, range(0x0E3F, 0x0E5C))))
}

CODE_PAGES: dict[str, tuple[dict[str, tuple[str, str]], float]] = {
    "cp1252": (LATIN, 1.5),
    "cp1250": (CENTRAL, 0.5),
    "iso-8859-2": (CENTRAL, 0.0),
    "cp1251": (CYRILLIC, 0.5),
    "koi8-r": (CYRILLIC, 0.0),
    "koi8-u": (CYRILLIC, -0.3),
    "cp866": (CYRILLIC, 0.0),
    "iso-8859-5": (CYRILLIC, -0.3),
    "mac-cyrillic": (CYRILLIC, -0.5),
    "iso-8859-15": (LATIN, -1.5),
    "cp850": (LATIN, -0.5),
    "cp437": (LATIN, -0.6),
    "cp852": (CENTRAL, -0.5),
    "mac-roman": (LATIN, -0.5),
    "mac-latin2": (CENTRAL, -1.0),
    "cp1253": (GREEK, 0.0),
    "iso-8859-7": (GREEK, -0.3),
    "cp1254": (TURKISH, 0.4),
    "cp1255": (HEBREW, 0.0),
    "cp1256": (ARABIC, 0.0),
    "cp1257": (BALTIC, -0.5),
    "cp874": (THAI, 0.0),
}
"""Single-byte code pages: their languages, and how much is given to or taken from each as usual."""
