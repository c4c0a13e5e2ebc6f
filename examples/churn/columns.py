"""What the table must hold."""

TARGET = "Attrition_Flag"
CLASSES = ["Existing Customer", "Attrited Customer"]
NUMBERS = [
    "Customer_Age",
    "Dependent_count",
    "Months_on_book",
    "Total_Relationship_Count",
    "Months_Inactive_12_mon",
    "Contacts_Count_12_mon",
    "Credit_Limit",
    "Total_Revolving_Bal",
    "Avg_Open_To_Buy",
    "Total_Amt_Chng_Q4_Q1",
    "Total_Trans_Amt",
    "Total_Trans_Ct",
    "Total_Ct_Chng_Q4_Q1",
    "Avg_Utilization_Ratio",
]
CATEGORIES = {
    "Gender": ["F", "M"],
    "Education_Level": ["Uneducated", "High School", "College", "Graduate", "Post-Graduate", "Doctorate", "Unknown"],
    "Marital_Status": ["Single", "Married", "Divorced", "Unknown"],
    "Income_Category": ["Less than $40K", "$40K - $60K", "$60K - $80K", "$80K - $120K", "$120K +", "Unknown"],
    "Card_Category": ["Blue", "Silver", "Gold", "Platinum"],
}
# An identifier, and two columns that another classifier left behind: they hold the answer.
LEAK = "Naive_Bayes_Classifier_Attrition_Flag_Card_Category_Contacts_Count_12_mon_Dependent_count_Education_Level_"
DROPPED = ["CLIENTNUM", f"{LEAK}Months_Inactive_12_mon_1", f"{LEAK}Months_Inactive_12_mon_2"]
