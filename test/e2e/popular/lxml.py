# /// script
# dependencies = ["lxml"]
# ///
from lxml import etree, html


def operate():
    tree = etree.fromstring('<a xmlns:n="urn:n"><b n:c="1">x</b><b>y</b></a>')
    turn = etree.XSLT(etree.fromstring(
        '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
        '<xsl:template match="/"><out><xsl:value-of select="count(//b)"/></out></xsl:template></xsl:stylesheet>'
    ))
    page = html.fromstring("<p>one<br>two <a href=x>three</a>")
    return [tree.xpath("//b/text()"), str(turn(tree)), page.xpath("//a/@href"), page.text_content()]
