"""Small watch lists of made-up persons and bodies, one for each format; every name is invented."""

PERSON_LATIN, PERSON_ARABIC, ALIAS, BODY = "Zarvan TULMETOV", "زروان خالد الحداد", "Zarwan al-Haddad", "Tulmet Aviation LLC"
BORN = "1971"

OFAC_XML = f"""<?xml version="1.0" standalone="yes"?>
<sdnList xmlns="http://example.org/sdnList.xsd"><publshInformation><Record_Count>2</Record_Count></publshInformation>
<sdnEntry><uid>71</uid><firstName>Zarvan</firstName><lastName>TULMETOV</lastName><sdnType>Individual</sdnType>
<programList><program>MADEUP</program></programList>
<akaList><aka><uid>1</uid><category>weak</category><lastName>{ALIAS}</lastName></aka></akaList>
<nationalityList><nationality><country>Nowhere</country></nationality></nationalityList>
<dateOfBirthList><dateOfBirthItem><dateOfBirth>01 Mar {BORN}</dateOfBirth></dateOfBirthItem></dateOfBirthList></sdnEntry>
<sdnEntry><uid>72</uid><lastName>{BODY}</lastName><sdnType>Entity</sdnType></sdnEntry></sdnList>""".encode()

_NONE = ",-0- " * 7
OFAC_CSV = (
    f'71,"TULMETOV, Zarvan","individual","MADEUP"{_NONE},"DOB 01 Mar {BORN}; nationality Nowhere."\r\n'
    f'72,"{BODY}",-0- ,"MADEUP"{_NONE},-0- \r\n\x1a'
).encode()
OFAC_ALT = f'71,1,"aka","{ALIAS}",-0- \r\n'.encode()

EU = f"""<?xml version="1.0" encoding="UTF-8"?><export xmlns="http://eu.europa.ec/fpi/fsd/export">
<sanctionEntity euReferenceNumber="EU.71.1" logicalId="9"><regulation programme="MADEUP"/>
<subjectType code="person" classificationCode="P"/>
<nameAlias wholeName="{PERSON_LATIN}" strong="true"/><nameAlias wholeName="{PERSON_ARABIC}" strong="true"/>
<nameAlias firstName="Zarwan" middleName="" lastName="al-Haddad" wholeName="" strong="false"/>
<citizenship countryIso2Code="XX"/><birthdate year="{BORN}"/></sanctionEntity>
<sanctionEntity logicalId="10"><subjectType code="enterprise" classificationCode="E"/>
<nameAlias wholeName="{BODY}"/></sanctionEntity>
</export>""".encode()

UK = f"""<?xml version="1.0"?><Designations><DateGenerated>2026-01-31</DateGenerated>
<Designation><UniqueID>MUP0071</UniqueID><RegimeName>Made up</RegimeName>
<IndividualEntityShip>Individual</IndividualEntityShip>
<Names><Name><Name1>Zarvan</Name1><Name6>TULMETOV</Name6><NameType>Primary Name</NameType></Name>
<Name><Name6>{ALIAS}</Name6><NameType>Alias</NameType><AliasStrength>Low quality</AliasStrength></Name></Names>
<NonLatinNames><NonLatinName><NameNonLatinScript>{PERSON_ARABIC}</NameNonLatinScript></NonLatinName></NonLatinNames>
<IndividualDetails><Individual><DOBs><DOB>dd/mm/{BORN}</DOB></DOBs><Nationalities><Nationality>Nowhere</Nationality></Nationalities>
</Individual></IndividualDetails></Designation>
<Designation><UniqueID>MUP0072</UniqueID><IndividualEntityShip>Entity</IndividualEntityShip>
<Names><Name><Name6>{BODY}</Name6><NameType>Primary Name</NameType></Name></Names></Designation></Designations>""".encode()

UN = f"""<?xml version="1.0" encoding="UTF-8"?><CONSOLIDATED_LIST dateGenerated="2026-01-31"><INDIVIDUALS><INDIVIDUAL>
<DATAID>7</DATAID><FIRST_NAME>Zarvan</FIRST_NAME><SECOND_NAME>TULMETOV</SECOND_NAME><UN_LIST_TYPE>MADEUP</UN_LIST_TYPE>
<REFERENCE_NUMBER>MUi.071</REFERENCE_NUMBER><NAME_ORIGINAL_SCRIPT>{PERSON_ARABIC}</NAME_ORIGINAL_SCRIPT>
<NATIONALITY><VALUE>Nowhere</VALUE></NATIONALITY>
<INDIVIDUAL_ALIAS><QUALITY>Low</QUALITY><ALIAS_NAME>{ALIAS}</ALIAS_NAME></INDIVIDUAL_ALIAS>
<INDIVIDUAL_DATE_OF_BIRTH><TYPE_OF_DATE>EXACT</TYPE_OF_DATE><YEAR>{BORN}</YEAR></INDIVIDUAL_DATE_OF_BIRTH></INDIVIDUAL></INDIVIDUALS>
<ENTITIES><ENTITY><FIRST_NAME>{BODY}</FIRST_NAME><REFERENCE_NUMBER>MUe.072</REFERENCE_NUMBER></ENTITY></ENTITIES>
</CONSOLIDATED_LIST>""".encode()

FTM = (
    f'{{"id":"m-71","schema":"Person","properties":{{"name":["{PERSON_LATIN}","{PERSON_ARABIC}"],"weakAlias":["{ALIAS}"],'
    f'"birthDate":["{BORN}-03-01"],"nationality":["xx"],"topics":["sanction"]}}}}\n'
    f'{{"id":"m-72","schema":"Company","properties":{{"name":["{BODY}"]}}}}\n{{"id":"a","schema":"Address","properties":{{}}}}\n'
).encode()

LISTS = {"ofac": OFAC_XML, "eu": EU, "uk": UK, "un": UN, "ftm": FTM}
